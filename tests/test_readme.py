"""What README says: its Python runs, and its links lead somewhere."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_inits

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

# The same calls on less work.
SMALLER = {
    "range(60)": "range(4)",
    "range(10)": "range(2)",
    "epochs=40": "epochs=1",
    "max_trials=30": "max_trials=2",
    "seeds=5)": "seeds=2, directory=folder)",
    "compare(build, x, y)": (
        "compare(build_and_compile, x, y, ['lee_qr', 'he_normal'], steps=5)"
    ),
}


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the blocks take as given."""
    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)

    def build_and_compile(initializer):
        hidden = [
            keras.layers.Dense(12, activation, kernel_initializer=initializer)
            for activation in ("relu", "sigmoid")
        ]
        output = keras.layers.Dense(10, "softmax")
        model = keras.Sequential([keras.Input((64,)), *hidden, output])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return {
        "keras": keras,
        "keras_inits": keras_inits,
        "x": x / 16,
        "y": y,
        "texts": np.random.default_rng(0).integers(0, 50, (64, 12)),
        "model": build_and_compile("he_normal"),
        "build_and_compile": build_and_compile,
        "folder": str(tmp_path_factory.mktemp("tuner")),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")  # Not each is for each activation.
@pytest.mark.parametrize("place", range(len(BLOCKS)))
def test_python_runs(place, names, capsys):
    code = BLOCKS[place]
    for whole, part in SMALLER.items():
        code = code.replace(whole, part)
    # The first is complete; what the others take as given is not its model.
    namespace = names if place else {}
    exec(compile(code, f"README.md, block {place + 1}", "exec"), namespace)  # noqa: S102


def test_smaller_work_is_that_of_the_readme():
    assert all(any(whole in block for block in BLOCKS) for whole in SMALLER)


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)", README)
    ours = [link for link in links if not link.startswith("http")]
    assert len(ours) > 10
    missing = [link for link in ours if not (ROOT / link).exists()]
    assert not missing
