"""What the benchmarks compare is the same work."""

import json
import os

import keras
import numpy as np
import pytest

from experiments.bench import jax_vmap, population, profile
from experiments.bench.measurement import Measurement, benchmark, ratio
from experiments.engine import networks, provenance
from experiments.engine.ledger import Ledger
from experiments.reporting.report import Table


def test_by_hand_in_jax_members_take_the_steps_of_plain_fit():
    pytest.importorskip("jax")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 20, 7)).astype("float32")
    y = rng.integers(0, 3, (4, 20))
    keras.utils.set_random_seed(0)
    plain = [networks.feedforward(7, 3, (5, 4), "he_normal") for _ in range(2)]
    weights = [model.get_weights() for model in plain]
    stacked = [np.stack(pair) for pair in zip(*weights, strict=True)]
    layers = list(zip(stacked[::2], stacked[1::2], strict=True))
    state, (losses, accuracies) = jax_vmap.trainer()(jax_vmap.start(layers), x, y)
    for member, model in enumerate(plain):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        scores = []
        for batch in zip(x, y, strict=True):
            model.reset_metrics()  # Older Keras counts on from batch to batch.
            scores.append(model.train_on_batch(*batch, return_dict=True))
        for name, values in (("loss", losses), ("accuracy", accuracies)):
            np.testing.assert_allclose(
                [score[name] for score in scores],
                values[:, member],
                rtol=1e-5,
            )
        trained = [array[member] for layer in state[0] for array in layer]
        for ours, theirs in zip(trained, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def measured():
    yield {
        "alone": {"step_seconds": 2.0, "build_seconds": 9.0},
        "ours": {"step_seconds": 1.0},
    }
    yield {"alone": {"step_seconds": 8.0}, "ours": {"step_seconds": 2.0}}
    yield {"alone": {"step_seconds": 4.0}, "ours": {"step_seconds": 4.0}}


def reported(rounds):
    steps = rounds["a network"]["step_seconds"]
    build = rounds["a network"]["build_seconds"]["alone"].max()
    return [
        Table(
            "Steps",
            ["ratio", "range", "build"],
            [[*ratio(steps, "alone", "ours"), str(build)]],
        )
    ]


def test_a_benchmark_is_measured_into_the_ledger_and_reported_from_its_csv(tmp_path):
    cell = Measurement("toy", "a network", ("alone", "ours"), measured, rounds=3)
    experiment = benchmark("toy", "a toy", reported, [cell])
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert ledger.missing(cell.describe(), cell.rows_per_run) == cell.describe()
    cell.train(cell.describe(), ledger)
    assert not ledger.missing(cell.describe(), cell.rows_per_run)
    (table, *_), _ = experiment.publication("desk").write(tmp_path)
    assert table.rows == [["2.00", "1.00 to 4.00", "9.0"]]
    text = (tmp_path / "bench-toy" / "report.md").read_text("utf-8")
    assert f"On {os.cpu_count()} cores" in text
    ledger.path.unlink()
    experiment.publication("desk").write(tmp_path)
    assert (tmp_path / "bench-toy" / "report.md").read_text("utf-8") == text


def test_what_other_code_has_measured_is_forgotten(monkeypatch):
    cell = Measurement("toy", "a network", ("alone", "ours"), measured, rounds=3)
    ledger = Ledger(":memory:")
    other = {"seed": 0}
    ledger.record([ledger.begin(other)], 0, {"loss": [1.0]})
    commit = "0" * 40
    monkeypatch.setattr(provenance, "commit", lambda: commit)
    backend = "tensorflow"
    monkeypatch.setattr(
        provenance,
        "versions",
        lambda: json.dumps({"commit": commit, "backend": backend}),
    )
    cell.train(cell.describe(), ledger)
    ledger.forget_other_versions(cell.describe())
    assert not ledger.missing(cell.describe(), 3)
    commit = "1" * 40
    ledger.forget_other_versions(cell.describe())
    assert ledger.missing(cell.describe(), 3) == cell.describe()
    cell.train(cell.describe(), ledger)
    backend = "jax"
    ledger.forget_other_versions(cell.describe())
    assert not ledger.missing(cell.describe(), 3)
    backend = "tensorflow"
    commit += "-dirty"
    ledger.forget_other_versions(cell.describe())
    assert ledger.missing(cell.describe(), 3) == cell.describe()
    assert ledger.epochs(other) == 1


@pytest.mark.parametrize("network", population.ORDINARY)
def test_an_ordinary_network_trains_alone_and_as_a_population(network):
    x, y = population.batches(network)
    for members in (0, 2):
        model = population.compiled(network, members, 2)
        history = model.fit(x[:40], y[:40], batch_size=10, verbose=0)
        assert np.isfinite(history.history["loss"]).all()


def test_the_least_work_is_that_of_the_products():
    # Forward 6 and 2 weights, backward 6 and 2 for kernels, 2 for the hidden signal.
    assert profile.flops([3, 2, 1], batch=5) == 2 * 5 * (6 + 2 + 6 + 2 + 2)


def test_the_parts_of_a_profile_are_those_of_the_step(monkeypatch):
    monkeypatch.setattr(population, "DEPTH", 2)
    model = population.compiled(population.DEEP, 4, 1)
    x, y = population.batches(population.DEEP)
    model.fit(x[:20], y[:20], batch_size=10, verbose=0)
    bare = networks.feedforward(784, 10, networks.alternating(2), "zeros", "linear")
    parts = profile.graphs(
        model, bare, *map(keras.ops.convert_to_tensor, (x[:10], y[:10]))
    )
    before = model.get_weights()
    results = [part() for part in parts]
    products, gradients, _, step, _ = results
    assert np.isfinite(products)
    assert [len(part) for part in gradients] == [3] * len(gradients)  # Kernels.
    (kernels, biases), metrics = step
    assert kernels.shape == before[0].shape and biases.shape == before[1].shape
    assert len(metrics) == len(model.member_metrics.states)
    # The last part is the step itself, Adam included.
    assert np.abs(model.get_weights()[0] - before[0]).max() > 0
