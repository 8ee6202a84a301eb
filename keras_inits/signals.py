"""The layers of a network, and what passes through them when it is evaluated."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers


@dataclass(frozen=True)
class Signal:
    """What passed through a layer in one of its calls.

    Args:
        layer: The layer.
        inputs: Its first argument.
        logits: What its activation was applied to, a tensor like `outputs`; `None` if
            it applies none, or, as recurrent layers do, more than one.
        outputs: What it returned. Of a recurrent layer, its outputs at all time steps
            `(batch, time, units)`, whatever it returns of them.
        activated: What its activation returned, where there are `logits`: in most
            layers the same as `outputs`. `None` otherwise.
    """

    layer: keras.Layer
    inputs: Any
    logits: Any
    outputs: Any
    activated: Any = None


def innermost(model: keras.Layer) -> list[keras.Layer]:
    """Lists the layers that a network is made of, each once, in order.

    Models within models and wrappers are looked into. Recurrent layers and
    `TimeDistributed` are taken as a whole: what they repeat runs in a loop of the
    backend. A layer with weights and layers of its own comes before those.

    Examples:
    >>> import keras
    >>> from keras_inits.signals import innermost
    >>> block = keras.Sequential([keras.layers.Dense(3), keras.layers.ReLU()])
    >>> model = keras.Sequential([keras.Input((9, 2)), block, keras.layers.LSTM(4)])
    >>> [type(layer).__name__ for layer in innermost(model)]
    ['Dense', 'ReLU', 'LSTM']

    Args:
        model: A model or layer.
    """
    found: dict[int, keras.Layer] = {}

    def visit(layer: keras.Layer) -> None:
        parts = [
            part
            for part in layer._layers
            if part is not getattr(layer, "activation", None)
        ]
        whole = not parts or isinstance(layer, layers.RNN | layers.TimeDistributed)
        if whole or layer._trainable_variables:
            found.setdefault(id(layer), layer)
        if not whole:
            for part in parts:
                visit(part)

    visit(model)
    return [
        layer for layer in found.values() if not isinstance(layer, layers.InputLayer)
    ]


def distinct_names(network: Sequence[keras.Layer]) -> list[str]:
    """Names layers, where several may have one name: the second `name` is `name (2)`.

    Examples:
    >>> import keras
    >>> from keras_inits.signals import distinct_names
    >>> distinct_names([keras.layers.Dense(2, name="same") for _ in range(2)])
    ['same', 'same (2)']

    Args:
        network: Layers, as from `innermost`.
    """
    counts: Counter[str] = Counter()
    found = []
    for layer in network:
        counts[layer.name] += 1
        count = counts[layer.name]
        found.append(layer.name if count == 1 else f"{layer.name} ({count})")
    return found


@contextlib.contextmanager
def observed(
    observed_layers: Sequence[keras.Layer], receive: Callable[[Signal], None]
) -> Iterator[None]:
    """Hands on what passes through some layers while the block runs.

    A call of a layer is handed on as it returns, with its own tensors: arrays where
    the model is evaluated eagerly, symbols where it is traced. The layers are as
    before when the block ends, however it ends, and so are their configs within it.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits.signals import innermost, observed
    >>> relu = keras.layers.Dense(1, "relu", kernel_initializer="ones")
    >>> model = keras.Sequential([keras.Input((2,)), relu])
    >>> signals = []
    >>> with observed(innermost(model), signals.append):
    ...     outputs = model(np.array([[1.0, -3.0]]))
    >>> [float(signals[0].logits[0, 0]), float(signals[0].outputs[0, 0])]
    [-2.0, 0.0]

    Args:
        observed_layers: From `innermost`.
        receive: Is called with each `Signal`.
    """
    with contextlib.ExitStack() as stack:
        for layer in observed_layers:
            stack.enter_context(_observed(layer, receive))
        yield


@contextlib.contextmanager
def _observed(layer: keras.Layer, receive: Callable[[Signal], None]) -> Iterator[None]:
    call = layer.call

    def observed_call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        applied: list[tuple[Any, Any]] = []
        steps: list[Any] = []
        with _kept(layer, applied, steps):
            outputs = call(inputs, *args, **kwargs)
        logits, activated = applied[0] if len(applied) == 1 else (None, None)
        seen = steps[0] if steps else outputs
        receive(Signal(layer, inputs, logits, seen, activated))
        return outputs

    with shadowed(layer, "call", observed_call):
        yield


@contextlib.contextmanager
def _kept(
    layer: keras.Layer, applied: list[tuple[Any, Any]], steps: list[Any]
) -> Iterator[None]:
    """Keeps what a layer's activation takes and returns, or outputs at all steps."""
    if isinstance(layer, layers.RNN):
        inner_loop = layer.inner_loop

        def all_steps(*args: Any, **kwargs: Any) -> Any:
            # Without it the loop of the backend forgets all but the last one.
            with shadowed(layer, "return_sequences", True):
                results = inner_loop(*args, **kwargs)
            steps.append(results[1])
            return results

        with shadowed(layer, "inner_loop", all_steps):
            yield
    elif callable(activation := getattr(layer, "activation", None)):

        def observed_activation(x: Any) -> Any:
            activated = activation(x)
            applied.append((x, activated))
            return activated

        with shadowed(layer, "activation", observed_activation):
            yield
    else:
        yield


@contextlib.contextmanager
def shadowed(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Sets an attribute while the block runs, past what Keras does on setting one.

    Args:
        owner: The object.
        name: Of an attribute that it has, its own or its class's.
        value: What takes its place.
    """
    own = name in vars(owner)
    before = getattr(owner, name)
    object.__setattr__(owner, name, value)
    try:
        yield
    finally:
        if own:
            object.__setattr__(owner, name, before)
        else:
            object.__delattr__(owner, name)
