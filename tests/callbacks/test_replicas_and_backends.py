"""A monitor on several replicas, and on another backend than TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


NETWORK = """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras
    import numpy as np
    from keras_inits import DeadUnitMonitor
def build():
    relu = keras.layers.Dense(6, "relu")
    model = keras.Sequential([keras.Input((5,)), relu, keras.layers.Dense(1)])
    relu.bias.assign([-50, -50, 0, 0, 0, 0])
    model.compile("sgd", "mse")
    return model
x = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
"""

MIRRORED = """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
warnings.simplefilter("ignore")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = build()
model.optimizer.learning_rate = 0.0
monitor = DeadUnitMonitor()
history = model.fit(x, x[:, :1], batch_size=8, epochs=2, callbacks=[monitor], verbose=0)
outputs = keras.ops.convert_to_numpy(model.layers[0](x))
print(*history.history["dead_fraction"])
print(np.abs(monitor.activity[0].unit_mean - outputs.mean(axis=0)).max() < 1e-6)
"""


def test_replicas():
    first, second, close = run(NETWORK + MIRRORED)
    assert float(first) == float(second) == pytest.approx(2 / 6)
    assert close == "True"


JAX = """
model = build()
try:
    model.fit(x, x[:, :1], callbacks=[DeadUnitMonitor()], verbose=0)
except ValueError as error:
    print("data=None" in str(error))
monitor = DeadUnitMonitor(data=x)
history = model.fit(x, x[:, :1], epochs=2, callbacks=[monitor], verbose=0)
print(*history.history["dead_fraction"])
"""


def test_another_backend():
    pytest.importorskip("jax")
    said, first, second = run(NETWORK + JAX, KERAS_BACKEND="jax")
    assert said == "True" and float(first) == float(second) == pytest.approx(2 / 6)
