"""Samples, a batch at a time, as often as a calibration needs them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.inspection.batches import batches
from keras_inits.inspection.hooks import LayerCall, observed
from keras_inits.inspection.layers import kernel_layers, leaf_layers


class Data:
    """Samples for a model, checked once and evaluated in batches.

    Args:
        model: The model.
        x: Inputs of the model: an array, or a list, tuple or dictionary of arrays, as
            the model takes them; or a dataset of batches, such as `tf.data.Dataset`
            or `keras.utils.PyDataset`, of inputs or of inputs and targets.
        y: Targets, an array, if `x` is not a dataset. Defaults to `None`.

    Raises:
        TypeError: If `x` is none of these.
        ValueError: If there are fewer than two samples, they are all the same, or a
            value is not finite.
    """

    def __init__(self, model: keras.Layer, x: Any, y: Any = None) -> None:
        """Goes through the samples once."""
        self._model = model
        self._probes: dict[str, _Probe] = {}
        leaves = keras.tree.flatten(x)
        self._arrays = all(
            hasattr(leaf, "shape") and len(leaf.shape) for leaf in leaves
        )
        self._x, self._y = x, y
        if self._arrays:
            sizes = {len(leaf) for leaf in [*leaves, *([] if y is None else [y])]}
            if len(sizes) != 1:
                raise ValueError(
                    "All arrays must have the same number of samples. "
                    f"Received: sizes={sorted(sizes)}"
                )
        else:
            _check_dataset(x, y)
        self._check_samples()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yields inputs and targets, or `None`, batch by batch."""
        if self._arrays:
            yield from batches((self._x, self._y), _BATCH)
        elif isinstance(self._x, keras.utils.PyDataset):
            for index in range(self._x.num_batches):
                yield keras.utils.unpack_x_y_sample_weight(self._x[index])[:2]
        else:
            for batch in self._x:
                yield keras.utils.unpack_x_y_sample_weight(batch)[:2]

    def signals(
        self, part: str, watched: Sequence[keras.Layer]
    ) -> Iterator[tuple[list[list[Any]], Any]]:
        """Yields, batch by batch, what passes through layers, and the targets.

        Args:
            part: `"inputs"`, `"logits"` or `"unit_outputs"`, as `LayerCall` has them.
            watched: The layers, of which recurrent ones have no logits; each gets a
                list of arrays, one for each of its calls.
        """
        if part not in self._probes:
            self._probes[part] = _Probe(self._model, part)
        probe = self._probes[part]
        for inputs, targets in self:
            with from_the_beginning(self._model):
                outputs = probe.predict_on_batch(inputs)
            tensors = dict(zip(probe.watched, outputs, strict=True))
            yield [tensors[layer] for layer in watched], targets

    def _check_samples(self) -> None:
        size, first, constant = 0, None, True
        for inputs, _ in self:
            arrays = [keras.ops.convert_to_numpy(a) for a in keras.tree.flatten(inputs)]
            for array in arrays:
                if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
                    raise TypeError(
                        f"Inputs must be numbers. Received: x of dtype {array.dtype}"
                    )
                if not np.all(np.isfinite(array)):
                    raise ValueError(
                        "Inputs must be finite. Received: x with NaN or infinite values"
                    )
            if first is None:
                first = [array[:1] for array in arrays]
            size += len(arrays[0])
            constant &= all(np.all(a == b) for a, b in zip(arrays, first, strict=True))
        if size < 2 or constant:
            raise ValueError(
                "A calibration measures variances: it needs two samples or more that "
                f"differ. Received: x with {size} samples"
                f"{', all the same' if size > 1 else ''}"
            )


@contextlib.contextmanager
def from_the_beginning(model: keras.Layer) -> Iterator[None]:
    """Has stateful layers begin with states of 0; they have their own again after it.

    Args:
        model: The model, which is called in the block.
    """
    stateful = [each for each in leaf_layers(model) if getattr(each, "stateful", False)]
    states = keras.tree.flatten([layer.states for layer in stateful])
    states = [state for state in states if state is not None]
    kept = [keras.ops.copy(state) for state in states]
    for state in states:
        state.assign(keras.ops.zeros_like(state))
    try:
        yield
    finally:
        for state, value in zip(states, kept, strict=True):
            state.assign(value)


class _Probe(keras.Model):
    """Returns what passes through dense, convolutional and recurrent layers of a model.

    It is compiled once, whatever the weights are then: a calibration evaluates a model
    as often as it has layers, and a deep one takes long without that.
    """

    def __init__(self, model: keras.Layer, part: str) -> None:
        """Has no weights of its own, so that it is built."""
        super().__init__(name="probe")
        self.model = model
        self.part = part
        watched = kernel_layers(model)
        if part != "logits":
            watched = [
                layer
                for layer in leaf_layers(model)
                if layer in watched or isinstance(layer, keras.layers.SimpleRNN)
            ]
        # Out of Keras' sight, which would take them for layers of its own.
        self._watched: Callable[[], list[keras.Layer]] = lambda: watched
        self.built = True
        # XLA takes longer to compile than it saves; JAX compiles by nothing else, and
        # TensorFlow has grouped convolutions by nothing else on every CPU.
        grouped = any(getattr(layer, "groups", 1) > 1 for layer in watched)
        self.compile(jit_compile=grouped or keras.backend.backend() == "jax")

    @property
    def watched(self) -> list[keras.Layer]:
        """The layers, in the order of the outputs."""
        return self._watched()

    def call(self, inputs: Any) -> list[list[Any]]:
        """Returns a list for each layer, with a tensor for each of its calls."""
        tensors: dict[keras.Layer, list[Any]] = {layer: [] for layer in self.watched}

        def receive(call: LayerCall) -> None:
            tensors[call.layer].append(getattr(call, self.part))

        with observed(self.watched, receive):
            self.model(inputs, training=False)
        return list(tensors.values())


class Moments:
    """Mean and variance of rows that come in batches.

    Args:
        features: Length of a row.
    """

    def __init__(self, features: int) -> None:
        """Starts with no row."""
        self._count = 0
        self.mean = np.zeros(features)
        self._squares = np.zeros(features)

    def update(self, rows: np.ndarray) -> None:
        """Adds rows `(count, features)`, by the difference of the two means."""
        count = self._count + len(rows)
        mean = rows.mean(axis=0)
        difference = mean - self.mean
        self._squares += ((rows - mean) ** 2).sum(axis=0)
        self._squares += difference**2 * (self._count * len(rows) / count)
        self.mean = self.mean + difference * (len(rows) / count)
        self._count = count

    @property
    def variance(self) -> np.ndarray:
        """The variance about the mean, over all rows."""
        return self._squares / self._count


# Large enough to be fast, small enough for the activations to fit.
_BATCH = 256


def _check_dataset(x: Any, y: Any) -> None:
    repeatable = hasattr(x, "__iter__") and iter(x) is not x
    if not (repeatable or isinstance(x, keras.utils.PyDataset)):
        raise TypeError(
            "Inputs are an array, or a list, tuple or dictionary of arrays, or a "
            "dataset that can be gone through again, such as tf.data.Dataset or "
            f"keras.utils.PyDataset. Received: x of type {type(x).__name__}"
        )
    if y is not None:
        raise ValueError(
            "A dataset yields its targets itself. Received: a dataset as x, and y"
        )
    endless = hasattr(x, "cardinality") and int(x.cardinality()) == -1
    if endless or getattr(x, "num_batches", 0) is None:
        raise ValueError("A dataset must come to an end. Received: x without end")
