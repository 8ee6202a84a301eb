"""Hooks on the calls of layers: the one way here to see and to change them."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, tree

from keras_inits.inspection import keras_private


@dataclass(frozen=True, eq=False)
class LayerCall:
    """What passed through a layer in one of its calls.

    Args:
        layer: The layer.
        inputs: Its first argument.
        outputs: What it returned.
        logits: What its activation was applied to, a tensor like `unit_outputs`; `None`
            if it applies none, or, as recurrent layers do, more than one.
        unit_outputs: What its units returned: where there are `logits`, what the
            activation made of them; of a recurrent layer, its outputs at all time steps
            `(batch, time, units)`, whatever it returns of them; else `outputs`.
        repeat: Calls the layer again, with another first argument.
    """

    layer: keras.Layer
    inputs: Any
    outputs: Any
    logits: Any
    unit_outputs: Any
    repeat: Callable[[Any], Any]


Hook = Callable[..., Any]


@contextlib.contextmanager
def forward_hooks(hooked: Sequence[keras.Layer], hook: Hook) -> Iterator[None]:
    """Calls a function in the place of each call of some layers while the block runs.

    What calls them within a `tf.function` is not compiled in the block. The layers are
    as before when the block ends, however it ends.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits.inspection.hooks import forward_hooks
    >>> layer = keras.layers.Dense(1, kernel_initializer="ones")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> def twice(layer, call, inputs, *args, **kwargs):
    ...     return 2 * call(inputs, *args, **kwargs)
    >>> with forward_hooks([layer], twice):
    ...     print(float(model(np.ones((1, 2)))[0, 0]))
    4.0

    Args:
        hooked: The layers.
        hook: Takes a layer, its own `call`, and the arguments of that; what it returns
            is what the layer returns.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(keras_private.inlined_functions())
        for layer in hooked:
            # Keras has a quantized layer called by another method.
            quantized = getattr(layer, "quantization_mode", None) is not None
            name = "quantized_call" if quantized else "call"
            replaced = functools.partial(hook, layer, getattr(layer, name))
            stack.enter_context(shadowed(layer, name, replaced))
        yield


@contextlib.contextmanager
def observed(
    observed_layers: Sequence[keras.Layer], receive: Callable[[LayerCall], None]
) -> Iterator[None]:
    """Hands on what passes through some layers while the block runs.

    A call of a layer is handed on as it returns, with its own tensors: arrays where
    the model is evaluated eagerly, symbols where it is traced. The layers are as
    before when the block ends, however it ends, and so are their configs within it.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits.inspection.hooks import observed
    >>> from keras_inits.inspection.layers import leaf_layers
    >>> relu = keras.layers.Dense(1, "relu", kernel_initializer="ones")
    >>> model = keras.Sequential([keras.Input((2,)), relu])
    >>> calls = []
    >>> with observed(leaf_layers(model), calls.append):
    ...     outputs = model(np.array([[1.0, -3.0]]))
    >>> [float(calls[0].logits[0, 0]), float(calls[0].outputs[0, 0])]
    [-2.0, 0.0]

    Args:
        observed_layers: From `leaf_layers`.
        receive: Is called with each `LayerCall`.

    Raises:
        ValueError: When the block ends, if what passed through a layer cannot be used
            here: TensorFlow's branches and loops are graphs of their own.
    """
    symbols: list[tuple[keras.Layer, Any]] = []

    def hook(
        layer: keras.Layer, call: Any, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        applied: list[tuple[Any, Any]] = []
        steps: list[Any] = []
        with _activations_kept(layer, applied, steps):
            outputs = call(inputs, *args, **kwargs)
        logits, unit_outputs = applied[0] if len(applied) == 1 else (None, outputs)
        if steps:
            unit_outputs = steps[0]
        if any(hasattr(leaf, "graph") for leaf in tree.flatten(outputs)):
            symbols.append((layer, outputs))
        receive(
            LayerCall(
                layer,
                inputs,
                outputs,
                logits,
                unit_outputs,
                lambda inputs: call(inputs, *args, **kwargs),
            )
        )
        return outputs

    with forward_hooks(observed_layers, hook):
        yield
    hidden = [
        repr(layer.name)
        for layer, outputs in symbols
        if not all(map(keras_private.is_in_reach, tree.flatten(outputs)))
    ]
    if hidden:
        raise ValueError(
            "What passes through layers cannot be seen where they are called in a "
            "graph of their own, as in tf.cond and tf.while_loop. "
            f"Received: a model that so calls {', '.join(dict.fromkeys(hidden))}"
        )


@contextlib.contextmanager
def _activations_kept(
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

        def kept_activation(x: Any) -> Any:
            activated = activation(x)
            applied.append((x, activated))
            return activated

        with shadowed(layer, "activation", kept_activation):
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
    is_own = name in vars(owner)
    before = getattr(owner, name)
    object.__setattr__(owner, name, value)
    try:
        yield
    finally:
        if is_own:
            object.__setattr__(owner, name, before)
        else:
            object.__delattr__(owner, name)
