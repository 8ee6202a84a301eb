"""Every private part of Keras and TensorFlow that this package uses, and no other file.

What Keras does not say publicly may change with any release. `test_keras_private.py`
has a test for each part, so that a release that changes one is found by its name.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.backend.common.masking import set_keras_mask
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.initializers.random_initializers import RandomInitializer
from keras.src.layers.rnn.conv_lstm import ConvLSTMCell
from keras.src.models.functional import Functional
from keras.src.random import seed_generator
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.utils.module_utils import tensorflow
from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED

__all__ = [
    "ArrayDataAdapter",
    "ConvLSTMCell",
    "Functional",
    "RandomInitializer",
    "in_stateless_scope",
    "set_keras_mask",
]

SOURCES = "keras.src."
"""Where the modules of Keras' own classes and functions begin."""

GENERATOR_STATE = "SeedGenerator.__init__.<locals>.seed_initializer"
"""Name of the function that makes the state of a `keras.random.SeedGenerator`."""


# Layers and models


def sublayers(layer: keras.Layer) -> list[keras.Layer]:
    """Returns the layers that a layer holds directly."""
    return list(layer._layers)


def all_layers(model: keras.Layer, recursive: bool = True) -> list[keras.Layer]:
    """Returns a layer and all that it holds, at any depth."""
    return list(model._flatten_layers(recursive=recursive))


def has_own_weights(layer: keras.Layer) -> bool:
    """Tells whether a layer has trainable weights beside those of its sublayers.

    They count while the layer is frozen too.
    """
    return bool(layer._trainable_variables)


def takes_training(model: keras.Layer) -> bool:
    """Tells whether a layer's `call` has a `training` argument."""
    return bool(model._call_has_training_arg)


def consumers(operation: keras.Operation) -> list[keras.Operation]:
    """Returns what takes the outputs of an operation in functional models.

    Nothing of what was never called there, and of what ends a model.
    """
    return [node.operation for node in operation._outbound_nodes]


# Outputs


def logits_of(outputs: Any) -> Any:
    """Returns the logits that Keras has hung on what an activation returned.

    TensorFlow's `softmax` and `sigmoid` have them, and the cross-entropies use them.
    `None` if there are none.
    """
    return getattr(outputs, "_keras_logits", None)


def set_logits(outputs: Any, logits: Any) -> None:
    """Hangs logits on outputs."""
    outputs._keras_logits = logits


# Training steps


def compute_step_loss(
    model: keras.Model, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool
) -> Any:
    """Returns the loss of a batch as a training step of Keras computes it."""
    return model._compute_loss(x, y, y_pred, sample_weight, training=training)


def update_loss_tracker(model: keras.Model, loss: Any, samples: Any) -> None:
    """Counts the loss of a batch in the `loss` of a model's logs, if it has one."""
    tracker = model._loss_tracker
    if any(metric is tracker for metric in model.metrics):
        tracker.update_state(loss, sample_weight=samples)


def symbolic_build(model: keras.Model, data_batch: Any) -> None:
    """Makes the state of a model's metrics from the shapes of a batch."""
    model._symbolic_build(data_batch=data_batch)


def flatten_metrics(model: keras.Model, logs: dict[str, Any]) -> Any:
    """Returns logs as `evaluate` returns them, in the order of the model's metrics."""
    return model._flatten_metrics_in_order(logs)


def element_spec(iterator: Any) -> Any:
    """Returns the shapes and dtypes that an iterator of Keras on TensorFlow yields."""
    return iterator._get_iterator().element_spec


# Optimizers


def learning_rate_of(optimizer: Any) -> Any:
    """Returns the learning rate of an optimizer: a variable, schedule or function."""
    return optimizer._learning_rate


def replace_clipping(optimizer: Any, clip: Callable[[list[Any]], list[Any]]) -> None:
    """Has an optimizer clip gradients by a function."""
    optimizer._clip_gradients = clip


def uses_weight_decay(optimizer: Any, variable: Any) -> bool:
    """Tells whether an optimizer decays a variable, if it decays any."""
    return bool(optimizer._use_weight_decay(variable))


# Variables


def initializer_of(variable: Any) -> Any:
    """Returns what a variable was, or will be, initialized by; `None` if unknown."""
    return variable._initializer


def defer(variable: Any, initializer: Any) -> None:
    """Leaves a variable without a value, to be drawn by an initializer if asked for."""
    variable._value, variable._initializer = None, initializer


def initialize_weights_by(choose: Callable[..., Any]) -> None:
    """Has every weight that a layer adds, from now on, be initialized as told.

    Keras tells an initializer the shape of a weight, but not which layer has it.

    Args:
        choose: Takes the layer, and the name, shape and initializer of the weight, and
            returns an initializer.
    """
    add_weight = keras.Layer.add_weight

    @functools.wraps(add_weight)
    def with_choice(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        # Shape and initializer may come by place, from code for Keras 2.
        given = dict(zip(("shape", "initializer"), args, strict=False)) | kwargs
        initializer = choose(
            layer, given.get("name"), given.get("shape"), given.get("initializer")
        )
        if initializer is not given.get("initializer"):
            args = (args[0], initializer, *args[2:]) if len(args) > 1 else args
            if len(args) < 2:
                kwargs["initializer"] = initializer
        return add_weight(layer, *args, **kwargs)

    keras.Layer.add_weight = with_choice


@contextlib.contextmanager
def initializing(initialize: Callable[[Any, Any, Callable[..., None]], None]) -> Any:
    """Has every variable that is made in a block be initialized by a function.

    Args:
        initialize: Takes a variable, its initializer, and what Keras would call with
            the two.
    """
    eagerly = keras.Variable._initialize_with_initializer
    keras.Variable._initialize_with_initializer = lambda variable, initializer: (
        initialize(variable, initializer, eagerly)
    )
    try:
        yield
    finally:
        keras.Variable._initialize_with_initializer = eagerly


# Random numbers


@contextlib.contextmanager
def seeds_from(source: Any) -> Iterator[None]:
    """Has Keras take seeds, where it is given none, from `source.randint`."""
    before = seed_generator.python_random
    seed_generator.python_random = source
    try:
        yield
    finally:
        seed_generator.python_random = before


def global_seed() -> Any:
    """Returns what `keras.utils.set_random_seed` was given last, or `None`."""
    return global_state.get_global_attribute(GLOBAL_RANDOM_SEED)


def global_generator() -> Any:
    """Returns the generator that Keras draws from without a seed, `None` if unused."""
    return global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)


@contextlib.contextmanager
def kept_generators() -> Iterator[None]:
    """Leaves the random state of Keras and TensorFlow after a block as it was before.

    TensorFlow drops the operations that count what they drew by a seed of their own.
    """
    with contextlib.ExitStack() as stack:
        for name in (GLOBAL_RANDOM_SEED, seed_generator.GLOBAL_SEED_GENERATOR):
            value = global_state.get_global_attribute(name)
            stack.callback(global_state.set_global_attribute, name, value)
        generator = global_generator()
        if generator is not None:
            stack.callback(generator.state.assign, generator.state.value * 1)
        if tensorflow.available:
            stack.callback(_set_tensorflow_seeds, *tensorflow_seeds())
        yield


def tensorflow_seeds() -> tuple[Any, Any]:
    """Returns TensorFlow's global seed, and where its own seeds are.

    `None` for what was never set, or where TensorFlow is not installed.
    """
    if not tensorflow.available:
        return None, None
    context = _tensorflow_context()
    state = context._rng.getstate() if hasattr(context, "_rng") else None
    return context._seed, state


def _set_tensorflow_seeds(seed: Any, state: Any) -> None:
    context = _tensorflow_context()
    context._set_global_seed(seed)
    if state is not None:
        context._rng.setstate(state)


def _tensorflow_context() -> Any:
    from tensorflow.python.eager import context

    return context.context()


# Mapping


def map_bitcast() -> None:
    """Teaches `tf.vectorized_map` to map `Bitcast`, unless it knows how to.

    Keras' `argmax` has one, and so has every accuracy. TensorFlow would map it by a
    loop over the members, and warn of it in each trace.
    """
    import tensorflow as tf
    from tensorflow.python.ops.parallel_for import pfor

    def bitcast(pfor_input: Any) -> Any:
        values = pfor_input.stacked_input(0)
        return pfor.wrap(tf.bitcast(values, pfor_input.get_attr("type")), True)

    if "Bitcast" not in pfor._pfor_converter_registry:
        pfor.RegisterPFor("Bitcast")(bitcast)


# Graphs


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function of tensors as a graph of TensorFlow; itself on others."""
    if keras.backend.backend() != "tensorflow":
        return function
    return tensorflow.function(function)


def has_exact_xla() -> bool:
    """Tells whether TensorFlow's XLA compiles a `vectorized_map` to what it is.

    In 2.20 the steps of a Dense layer differed from those of the graph, and of plain
    Keras, by 1e-3 in float64.
    """
    if keras.backend.backend() != "tensorflow":
        return True
    major, minor = tensorflow.__version__.split(".")[:2]
    return (int(major), int(minor)) >= (2, 21)


@contextlib.contextmanager
def inlined_functions() -> Iterator[None]:
    """Has functions of TensorFlow be parts of the code that calls them, in a block.

    Elsewhere such a function is a graph of its own, made once, whose tensors nobody
    outside can use.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    before = tensorflow.config.functions_run_eagerly()
    tensorflow.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tensorflow.config.run_functions_eagerly(before)


def is_in_reach(tensor: Any) -> bool:
    """Tells whether a tensor belongs to the present graph of TensorFlow, or one around.

    Arrays, and the tensors of other backends, always are.
    """
    graph = getattr(tensor, "graph", None)
    if keras.backend.backend() != "tensorflow" or graph is None:
        return True
    present = tensorflow.compat.v1.get_default_graph()
    while present is not None:
        if present is graph:
            return True
        present = getattr(present, "outer_graph", None)
    return False
