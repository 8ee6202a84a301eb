"""A recurrent layer, unrolled: what its units take at every step, and their weights."""

from collections.abc import Iterator

import keras
import numpy as np

from keras_inits.calibration.data import Data, Moments
from keras_inits.calibration.layers import array


def step_inputs(data: Data, layer: keras.layers.SimpleRNN) -> Iterator[np.ndarray]:
    """Yields, a batch at a time, what the units of a layer take at all its steps.

    That is the input of the step, and beside it the outputs of the step before, 0
    before the first: one vector, for which a unit has one vector of weights. Steps that
    are masked count like others.

    Args:
        data: Samples for the model of the layer.
        layer: A layer that was called without states of its own.

    Yields:
        `(samples * steps, inputs + units)`.
    """
    calls = zip(
        data.signals("inputs", [layer]),
        data.signals("unit_outputs", [layer]),
        strict=True,
    )
    for ((inputs,), _), ((outputs,), _) in calls:
        for x, y in zip(map(array, inputs), map(array, outputs), strict=True):
            in_order = x[:, ::-1] if layer.go_backwards else x
            before = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
            steps = np.concatenate([in_order, before], axis=-1)
            yield steps.reshape(-1, steps.shape[-1])


def step_moments(data: Data, layer: keras.layers.SimpleRNN) -> Moments:
    """Measures what the units of a layer take, over samples and steps."""
    inputs, units = layer.cell.kernel.shape
    moments = Moments(inputs + units)
    for steps in step_inputs(data, layer):
        moments.update(steps)
    return moments


def logits(data: Data, layer: keras.layers.SimpleRNN) -> Iterator[np.ndarray]:
    """Yields the logits of a layer at all its steps, `(samples * steps, units)`."""
    for steps in step_inputs(data, layer):
        weights = np.concatenate(
            [array(layer.cell.kernel), array(layer.cell.recurrent_kernel)]
        )
        bias = array(layer.cell.bias) if layer.use_bias else 0.0
        yield steps @ weights + bias


def assign(
    layer: keras.layers.SimpleRNN, weights: np.ndarray, bias: np.ndarray
) -> None:
    """Sets the weights of a layer.

    Args:
        layer: The layer.
        weights: `(inputs + units, units)`, those of the inputs first.
        bias: `(units,)`.
    """
    inputs = layer.cell.kernel.shape[0]
    layer.cell.kernel.assign(weights[:inputs])
    layer.cell.recurrent_kernel.assign(weights[inputs:])
    layer.cell.bias.assign(bias)
