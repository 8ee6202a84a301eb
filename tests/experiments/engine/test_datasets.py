"""Tests of the data sets; those that need prepared data skip where there is none."""

import collections
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.engine import datasets

TIMEOUT = 60  # seconds; with its retries tensorflow-datasets takes several minutes

PREPARED_SHAPES = [
    ("mnist", (70_000, 784), 10),
    ("fashion_mnist", (70_000, 784), 10),
    ("tfds_iris", (150, 4), 3),
    ("wine_quality", (4_898, 11), 7),
    ("wine_quality/red", (1_599, 11), 6),
    ("cifar10", (60_000, 3072), 10),
    ("cifar100", (60_000, 3072), 100),
]

labels = st.lists(st.integers(0, 3), min_size=10, max_size=200).map(np.array)
seeds = st.integers(0, 2**32)


def load_prepared(name):
    folder = pathlib.Path(os.environ.get("TFDS_DATA_DIR", "(unset)"))
    if not (folder / datasets.PREPARED[name][0]).is_dir():
        pytest.skip(f"no prepared {name} in TFDS_DATA_DIR, which is {folder}")
    return datasets.load(name)


def run_python(code, **environment):
    """Runs code in a process of its own, so that a stall is a failure."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=pathlib.Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def table(*columns):
    x = np.array(columns, np.float32).T
    return datasets.Dataset("table", x, np.zeros(len(x), np.int32), 1, None)


# Loading


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "num_classes", "max_value"),
    [
        ("digits", (1797, 64), np.uint8, 10, 16.0),
        ("iris", (150, 4), np.float32, 3, None),
    ],
)
def test_embedded(name, shape, dtype, num_classes, max_value):
    data = datasets.load(name)
    assert (data.name, data.num_classes) == (name, num_classes)
    assert data.max_value == max_value
    assert data.x.shape == shape and data.x.dtype == dtype
    assert data.y.dtype == np.int32 and data.y.shape == shape[:1]
    assert np.array_equal(np.unique(data.y), np.arange(num_classes))


def test_embedded_values():
    assert datasets.load("digits").x.max() == 16
    np.testing.assert_allclose(datasets.load("iris").x[0], [5.1, 3.5, 1.4, 0.2])


def test_read_once_and_protected():
    data = datasets.load("digits")
    assert datasets.load("digits", data_dir=None) is data
    with pytest.raises(ValueError, match="read-only"):
        data.x[0, 0] = 1


def test_embedded_sets_do_not_wait_for_tensorflow_datasets():
    done = run_python(
        "import sys; from experiments.engine import datasets;"
        "[datasets.load(name) for name in datasets.EMBEDDED];"
        "print('tensorflow_datasets' in sys.modules)"
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize(("name", "shape", "num_classes"), PREPARED_SHAPES)
def test_prepared(name, shape, num_classes):
    data = load_prepared(name)
    assert data.x.shape == shape
    assert np.array_equal(np.unique(data.y), np.arange(num_classes))
    images = shape[1] in (784, 3072)
    assert data.x.dtype == (np.uint8 if images else np.float32)
    assert data.max_value == (255.0 if images else None)
    assert np.isfinite(data.x).all()


def test_every_prepared_name_is_tested():
    assert [name for name, _, _ in PREPARED_SHAPES] == list(datasets.PREPARED)


def test_mnist_holds_train_and_test():
    data = load_prepared("mnist")
    published = np.array(  # LeCun's counts per digit, train and test together
        [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
    )
    assert np.array_equal(np.bincount(data.y), published)
    assert data.x.max() == 255


def test_wine_classes_are_the_sorted_scores():
    red = load_prepared("wine_quality/red")
    assert np.bincount(red.y).tolist() == [10, 53, 681, 638, 199, 18]
    # Columns are sorted by name: alcohol first, then chlorides.
    np.testing.assert_allclose([red.x[:, 0].max(), red.x[:, 1].max()], [14.9, 0.611])


def test_the_two_irises_differ_in_two_samples():
    uci, corrected = load_prepared("tfds_iris"), datasets.load("iris")
    theirs, ours = (
        collections.Counter(
            (*(round(value, 1) for value in row.tolist()), int(label))
            for row, label in zip(data.x, data.y, strict=True)
        )
        for data in (uci, corrected)
    )
    assert theirs - ours == {(4.9, 3.1, 1.5, 0.1, 0): 2}
    assert ours - theirs == {(4.9, 3.1, 1.5, 0.2, 0): 1, (4.9, 3.6, 1.4, 0.1, 0): 1}


@pytest.mark.parametrize("name", ["mnist", "tfds_iris"])
def test_unprepared_says_what_to_do(name, tmp_path):
    folder = tmp_path / "my data"
    done = run_python(
        "from experiments.engine import datasets;"
        f"datasets.load({name!r}, data_dir={str(folder)!r})"
    )
    assert done.returncode == 1
    assert f"FileNotFoundError: Data set '{name}' is not prepared in" in done.stderr
    assert f"experiments fetch {name} --data-dir '{folder}'" in done.stderr
    assert "work now: digits, iris" in done.stderr
    assert not folder.exists()


def test_unprepared_in_the_default_folder_needs_no_option(tmp_path):
    done = run_python(
        "from experiments.engine import datasets; datasets.load('mnist')",
        TFDS_DATA_DIR=str(tmp_path),
    )
    assert f"is not prepared in {tmp_path}" in done.stderr
    assert "python -m experiments fetch mnist\n" in done.stderr


def test_fetch_without_network_fails_at_once(tmp_path):
    nowhere = "http://127.0.0.1:9"  # the discard port: a proxy that is not there
    done = run_python(
        "from experiments.engine import datasets;"
        f"datasets.fetch('mnist', {str(tmp_path)!r})",
        HTTPS_PROXY=nowhere,
        https_proxy=nowhere,
        NO_PROXY="",
        no_proxy="",
    )
    assert "ConnectionError: Data set 'mnist' cannot be fetched" in done.stderr
    assert "work now: digits, iris" in done.stderr
    assert not list(tmp_path.iterdir())


def test_fetch_of_prepared_data_needs_no_network():
    load_prepared("tfds_iris")
    folder = pathlib.Path(datasets.fetch("tfds_iris"))
    assert (folder / "dataset_info.json").is_file()


# Scaling


def test_raw_keeps_values():
    data = datasets.load("digits")
    x = datasets.scale(data, "raw")
    assert x.dtype == np.float32 and np.array_equal(x, data.x)
    with pytest.raises(ValueError, match="read-only"):
        x[0, 0] = 1
    assert datasets.scale(data, "raw") is x


def test_unit_images_are_divided_by_full_scale():
    data = datasets.load("digits")
    x = datasets.scale(data, "unit")
    assert x.dtype == np.float32 and np.array_equal(x * 16, data.x)


def test_unit_tables_span_each_feature():
    x = datasets.scale(datasets.load("iris"), "unit")
    assert np.array_equal(x.min(0), np.zeros(4))
    assert np.array_equal(x.max(0), np.ones(4))


def test_standard_images_share_one_mean_and_deviation():
    data = datasets.load("digits")
    x = datasets.scale(data, "standard")
    assert x.dtype == np.float32
    expected = (data.x - data.x.mean()) / data.x.std()
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)


def test_standard_tables_by_feature():
    x = datasets.scale(datasets.load("iris"), "standard").astype(np.float64)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(0), 1, rtol=1e-6)


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_constant_features_become_zero(scaling):
    x = datasets.scale(table([0.1] * 7, range(7)), scaling)
    assert np.array_equal(x[:, 0], np.zeros(7))
    assert x[:, 1].std() > 0.3


# Holding out


@given(labels, seeds, st.floats(0.1, 0.9))
def test_hold_out_covers_every_sample_once(y, seed, fraction):
    training, validation = datasets.hold_out(y, seed, fraction)
    assert len(validation) == round(fraction * len(y))
    both = np.concatenate([training, validation])
    assert np.array_equal(np.sort(both), np.arange(len(y)))


@given(labels, seeds, st.integers(1, 3))
def test_samples_per_class(y, seed, k):
    y = np.concatenate([y, np.repeat(np.arange(4), 2 * len(y))])  # enough of each class
    everything, validation = datasets.hold_out(y, seed)
    few, same_validation = datasets.hold_out(y, seed, samples_per_class=k)
    more, _ = datasets.hold_out(y, seed, samples_per_class=k + 1)
    assert np.array_equal(np.bincount(y[few]), [k] * 4)
    assert np.array_equal(validation, same_validation)
    assert len(set(few)) == len(few)
    assert set(few) < set(more) <= set(everything)


@given(seeds)
def test_hold_out_depends_on_the_seed_alone(seed):
    y = np.zeros(200, int)
    first, again = datasets.hold_out(y, seed), datasets.hold_out(y + 1, seed)
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first[1], datasets.hold_out(y, seed + 1)[1])


def test_hold_out_is_the_same_on_every_machine():
    training, validation = datasets.hold_out(np.zeros(20), seed=3)
    assert validation.tolist() == [16, 0, 5]
    assert training[:5].tolist() == [4, 6, 2, 12, 13]


def test_pooled_mnist_holds_out_10500():
    training, validation = datasets.hold_out(np.zeros(70_000), seed=0)
    assert (len(training), len(validation)) == (59_500, 10_500)


def test_class_with_too_few_samples():
    y = np.array([0] * 50 + [1])
    with pytest.raises(ValueError, match="class 1.*samples_per_class=2"):
        datasets.hold_out(y, seed=0, samples_per_class=2)


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": -1},
        {"seed": 0.5},
        {"fraction": 0.0},
        {"fraction": 1.0},
        {"fraction": float("nan")},
        {"fraction": 1e-6},
        {"samples_per_class": 0},
        {"samples_per_class": 1.5},
    ],
)
def test_hold_out_refuses(arguments):
    (name, value), *_ = arguments.items()
    with pytest.raises(ValueError, match=rf"`{name}` must be .*: {name}={value}"):
        datasets.hold_out(np.zeros(20, int), **{"seed": 0, **arguments})


# Unknown names


@pytest.mark.parametrize("name", ["minst", "MNIST", "mnist "])
def test_unknown_name_suggests_near_ones(name):
    with pytest.raises(ValueError, match="did you mean 'mnist'") as caught:
        datasets.load(name)
    assert all(known in str(caught.value) for known in datasets.names())
    assert f"Received: name={name!r}" in str(caught.value)


@pytest.mark.parametrize("name", ["svhn_cropped", "", None, 3])
def test_unknown_name_with_nothing_near(name):
    with pytest.raises(ValueError, match="must be one of digits") as caught:
        datasets.load(name)
    assert "did you mean" not in str(caught.value)


def test_fetch_refuses_embedded():
    with pytest.raises(ValueError, match="'tfds_iris'.*Received: name='iris'"):
        datasets.fetch("iris")


def test_unknown_scaling():
    with pytest.raises(ValueError, match="'standard'.*scaling='standart'"):
        datasets.scale(datasets.load("iris"), "standart")


# Parts


def test_a_set_that_was_published_whole_ends_with_its_test_part():
    whole, train, test = (
        datasets.load("digits", part=p) for p in ("all", "train", "test")
    )
    assert (len(train.x), len(test.x)) == (1498, 299)
    np.testing.assert_array_equal(np.concatenate([train.x, test.x]), whole.x)
    np.testing.assert_array_equal(np.concatenate([train.y, test.y]), whole.y)
    # The flowers are in the order of their classes: the test part has the last alone.
    assert datasets.load("iris", part="test").num_classes == 3
    assert set(datasets.load("iris", part="test").y) == {2}


def test_parts_are_those_that_were_published():
    whole = load_prepared("mnist")
    train, test = (datasets.load("mnist", part=p) for p in ("train", "test"))
    assert (len(train.x), len(test.x)) == (60_000, 10_000)
    pooled = np.concatenate([train.y, test.y])
    np.testing.assert_array_equal(np.bincount(pooled), np.bincount(whole.y))
    assert train.x.sum(dtype=np.int64) + test.x.sum(dtype=np.int64) == whole.x.sum(
        dtype=np.int64
    )


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="'test'.*part='tests'"):
        datasets.load("digits", part="tests")


def test_a_part_of_cifar_is_read_from_the_folder_that_is_named(tmp_path):
    random = np.random.default_rng(0)
    parts = {
        f"{of}_{part}": random.integers(0, 10 if of == "y" else 256, shape, "uint8")
        for part, count in (("train", 30), ("test", 12))
        for of, shape in (("x", (count, 32, 32, 3)), ("y", (count,)))
    }
    (tmp_path / "cifar10").mkdir()
    np.savez(tmp_path / "cifar10" / "cifar10_subset.npz", **parts)
    for folder in (tmp_path, tmp_path / "cifar10"):
        train, test, both = (
            datasets.load("cifar10_subset", str(folder), part)
            for part in ("train", "test", "all")
        )
        assert (len(train.x), len(test.x), len(both.x)) == (30, 12, 42)
        np.testing.assert_array_equal(train.x, parts["x_train"].reshape(30, -1))
        assert train.num_classes == len(set(both.y)) and train.max_value == 255
    with pytest.raises(FileNotFoundError, match="with --data-dir. Embedded sets"):
        datasets.load("cifar10_subset", str(tmp_path / "nowhere"))
