"""Products with derivatives on JAX are those on TensorFlow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_inits

MEASURED = """
import json
import keras
import numpy as np
from keras_inits import diagnostics

layers = [keras.layers.Dense(3, "relu", name="relu"), keras.layers.Dense(2, "softmax")]
model = keras.Sequential([keras.Input((4,)), *layers])
model.compile(loss="sparse_categorical_crossentropy")
for weight in model.weights:
    weight.assign(np.sin(1 + np.arange(np.prod(weight.shape))).reshape(weight.shape))
x, y = np.cos(np.arange(40.0) ** 2).reshape(10, 4), np.arange(10) % 2
objective = diagnostics.Objective(model, x, y)
seen = diagnostics.diagnose(model, x, y, steps=60, advice=False).progress.last
print(json.dumps([
    *diagnostics.eigenvalues(diagnostics.HessianOperator(objective), k=2).eigenvalues,
    diagnostics.eigenvalues(diagnostics.GaussNewtonOperator(objective, "relu")).norm,
    diagnostics.jacobian(model, x).network.norm,
    seen.loss, seen.explained, seen.concordance,
]))
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares with it")
def test_jax_gives_the_same(capsys):
    pytest.importorskip("jax")
    root = Path(keras_inits.__file__).parents[1]
    fresh = subprocess.run(
        [sys.executable, "-c", MEASURED],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert fresh.returncode == 0, fresh.stderr
    exec(MEASURED, {})
    here = json.loads(capsys.readouterr().out)
    # Both in float32.
    np.testing.assert_allclose(json.loads(fresh.stdout), here, rtol=1e-4)
