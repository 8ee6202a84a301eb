"""Samples for a network: checked, chosen and evaluated, a batch at a time."""

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.inspection import keras_private


def evaluate(model: keras.Model, x: Any, training: bool = False) -> Any:
    """Evaluates a model, as in inference if it is not said otherwise.

    Args:
        model: The model.
        x: Inputs, an array or a structure of arrays, as the model takes them.
        training: Whether to evaluate it as in training. Defaults to `False`.
    """
    x = tree.map_structure(ops.convert_to_tensor, x)
    arguments = {"training": training} if keras_private.takes_training(model) else {}
    # TensorFlow would keep a graph of a function that the model calls, and in it the
    # values that variables had been given in its place.
    with keras_private.inlined_functions():
        return model(x, **arguments)


def check_inputs(model: keras.Model, x: Any) -> int:
    """Returns the number of samples in `x`, or says why `model` cannot take them."""
    arrays = tree.flatten(x)
    sizes = {np.shape(array)[0] if np.ndim(array) else 0 for array in arrays}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            "The data must be one array (samples, ...) for each input, all of the same "
            "number of samples, one at least. Received: shapes "
            f"{[np.shape(array) for array in arrays[:5]]} of {len(arrays)} arrays"
        )
    try:
        evaluate(model, take(x, slice(1)))
    except Exception as error:  # Each backend has its own.
        shapes = [np.shape(array) for array in arrays]
        accepted = getattr(model, "input_shape", "that it was built for")
        raise ValueError(
            f"The data must be what the model takes, of shape {accepted}. Received: "
            f"shapes {shapes}, and {type(error).__name__}: {first_line(error)}"
        ) from error
    return sizes.pop()


def first_line(error: Exception) -> str:
    """Returns what an error says of itself in one line; those of backends have many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Keras puts the layer ahead of it, and colours what is wrong.
    lines = [line for line in lines if not line.startswith("Exception encountered")]
    return re.sub(r"\x1b\[\d+m", "", lines[0])[:200] if lines else ""


def gather(x: Any, y: Any = None, samples: int | None = None) -> tuple[Any, Any]:
    """Returns inputs and targets as arrays, however `fit` would take them.

    Examples:
    >>> import numpy as np
    >>> from keras_inits.inspection.batches import gather
    >>> batches = ((np.ones((4, 2)), np.zeros(4)) for _ in range(9))
    >>> [part.shape for part in gather(batches, samples=6)]
    [(6, 2), (6,)]

    Args:
        x: Inputs, an array or a structure of arrays; or what yields batches of inputs
            and targets, which no `y` goes with: a `tf.data.Dataset`, a `PyDataset`, a
            generator or a `DataLoader`.
        y: Targets, an array or a structure of arrays. Defaults to `None`.
        samples: As many of them are taken from batches, the first. Defaults to `None`,
            for all.

    Raises:
        ValueError: If there are no batches, or batches and targets apart from them.
    """
    numbers = (bool, int, float)
    if all(hasattr(p, "__array__") or isinstance(p, numbers) for p in tree.flatten(x)):
        return tuple(map_arrays(np.asarray, (x, y)))
    if y is not None:
        raise ValueError(
            "`y` must be left out where `x` yields batches of inputs and targets. "
            f"Received: x of type {type(x).__name__}, y of type {type(y).__name__}"
        )
    parts: list[Any] = []
    count, weighted = 0, False
    for batch in _batches_of(x):
        *pair, weights = keras.utils.unpack_x_y_sample_weight(batch)
        parts.append(map_arrays(ops.convert_to_numpy, tuple(pair)))
        _check_batch(*parts[-1])
        weighted = weighted or weights is not None
        count += len(tree.flatten(parts[-1])[0])
        if samples is not None and count >= samples:
            break
    if not parts:
        raise ValueError(
            "There must be a batch of inputs and targets, as `fit` takes them. "
            f"Received: x of type {type(x).__name__} without one"
        )
    if weighted:
        warnings.warn("Weights of samples are not used here.", stacklevel=3)
    joined = tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
    return tuple(take(joined, slice(samples)))


def _check_batch(x: Any, y: Any) -> None:
    if y is None:
        raise ValueError(
            "Batches must have inputs and targets, as in `(x, y)`. "
            "Received: batches of inputs alone"
        )
    sizes = {array.shape[:1] for array in tree.flatten((x, y)) if array is not None}
    if len(sizes) > 1 or () in sizes:
        shapes = [array.shape for array in tree.flatten((x, y)) if array is not None]
        raise ValueError(
            "Batches must have as many inputs as targets; a dataset of single samples "
            f"must be batched first. Received: a batch of shapes {shapes}"
        )


def _batches_of(x: Any) -> Iterator[Any]:
    if isinstance(x, keras.utils.PyDataset):
        return (x[index] for index in range(x.num_batches))
    try:
        return iter(x)
    except TypeError:
        raise ValueError(
            "`x` must be arrays, or yield batches as `fit` takes them. "
            f"Received: x of type {type(x).__name__}"
        ) from None


def map_arrays(function: Callable[[Any], Any], data: Any) -> Any:
    """Applies a function to the arrays of a structure; `None` stays.

    Args:
        function: Of an array.
        data: Arrays in any structure.
    """
    # Of Keras' argument for that, `none_is_leaf`, older releases know nothing.
    return tree.map_structure(
        lambda array: None if array is None else function(array), data
    )


def unpacked(data: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """Returns the arrays of a structure, and what puts others in their places.

    Examples:
    >>> from keras_inits.inspection.batches import unpacked
    >>> arrays, pack = unpacked({"x": [1, None], "y": 2})
    >>> arrays, pack(["a", "b"])
    ([1, 2], {'x': ['a', None], 'y': 'b'})

    Args:
        data: Arrays in any structure; `None` stays.
    """

    def pack(arrays: Any) -> Any:
        left = iter(arrays)
        return map_arrays(lambda _: next(left), data)

    return [part for part in tree.flatten(data) if part is not None], pack


def take(data: Any, samples: Any) -> Any:
    """Returns some samples of a structure of arrays; `None` stays.

    Args:
        data: Arrays `(samples, ...)` in any structure.
        samples: A slice or indices.
    """
    return map_arrays(lambda array: array[samples], data)


def batches(data: Any, batch_size: int) -> Iterator[Any]:
    """Yields a structure of arrays batch by batch, in order.

    Examples:
    >>> import numpy as np
    >>> from keras_inits.inspection.batches import batches
    >>> [len(x) for x, y in batches((np.zeros((5, 2)), np.zeros(5)), 2)]
    [2, 2, 1]

    Args:
        data: Arrays `(samples, ...)` in any structure.
        batch_size: Samples of a batch; the last one may have fewer.
    """
    samples = len(next(a for a in tree.flatten(data) if a is not None))
    for start in range(0, samples, batch_size):
        yield take(data, slice(start, start + batch_size))


def evenly_spaced(samples: int, count: int) -> np.ndarray:
    """Returns `count` indices of samples at even distances; all if there are no more.

    Examples:
    >>> from keras_inits.inspection.batches import evenly_spaced
    >>> evenly_spaced(9, 3).tolist(), evenly_spaced(2, 3).tolist()
    ([0, 4, 8], [0, 1])
    """
    places = np.linspace(0, samples - 1, min(count, samples))
    return places.round().astype(int)
