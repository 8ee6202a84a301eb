"""What a population asks of a network, and whether XLA can compile it."""

import keras
from keras import layers

from keras_inits.inspection import keras_private

_STEPS = (
    "fit evaluate predict train_step test_step predict_step make_train_function "
    "make_test_function make_predict_function"
).split()
_CONVOLUTIONS = (
    *(layers.Conv1D, layers.Conv2D, layers.Conv3D),
    *(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
    *(layers.DepthwiseConv1D, layers.DepthwiseConv2D),
    *(layers.SeparableConv1D, layers.SeparableConv2D),
)


def check_network(model: keras.Model) -> None:
    """Refuses a network whose steps are not those of plain `fit`."""
    _check_steps(model)
    _check_gradients_are_steps(model)


def check_loss_scale(model: keras.Model) -> None:
    """Refuses a network for which Keras would scale the loss of all members."""
    if model.dtype_policy.name == "mixed_float16":
        raise ValueError(
            "In mixed_float16 Keras scales the loss of each model by how often "
            "its gradients overflow; members share one loss. Accepted: "
            "`auto_scale_loss=False`, or mixed_bfloat16. "
            "Received: auto_scale_loss=True"
        )


def settle_jit_compile(model: keras.Model, jit_compile: bool | str) -> bool | str:
    """Returns `False` for `jit_compile` where XLA cannot compile many members.

    Args:
        model: The network.
        jit_compile: As for `keras.Model.compile`.

    Raises:
        ValueError: If it cannot and `jit_compile` is `True`.
    """
    reason = _why_not_compiled(model)
    if reason is None:
        return jit_compile
    if jit_compile is True:
        raise ValueError(
            f"{reason}: `jit_compile` must be False. Received: jit_compile=True"
        )
    return False


def _check_steps(model: keras.Model) -> None:
    """Refuses a model that trains or evaluates itself in a way of its own."""
    for name in _STEPS:
        step = getattr(model, name)
        if getattr(step, "__func__", None) is not getattr(keras.Model, name):
            raise ValueError(
                f"A population takes the steps of plain `fit`, and cannot use a "
                f"`{name}` of the network's own; a `compute_loss`, `compute_metrics` "
                f"or `call` of its own it can. Received: {type(model).__name__}, which "
                f"has one"
            )


def _check_gradients_are_steps(model: keras.Model) -> None:
    """Refuses variables whose gradient is their next value, as of float8 scales."""
    for variable in model.trainable_variables:
        if getattr(variable, "overwrite_with_gradient", False):
            raise ValueError(
                "A population steps all variables by its optimizer. Received: "
                f"{variable.path}, with overwrite_with_gradient=True"
            )


def _why_not_compiled(model: keras.Model) -> str | None:
    """Says why XLA cannot compile a network for many members; `None` if it can."""
    if keras.backend.backend() != "tensorflow":
        return None
    if not keras_private.has_exact_xla():
        return (
            "Before TensorFlow 2.21 its XLA does not compile what is mapped over "
            "members to the same numbers"
        )
    if looped := _looped(model):
        return (
            "TensorFlow's XLA does not compile convolutions, and the loops of "
            "recurrent layers without unroll=True, for many members, as in "
            f"{looped[0].name}, a {type(looped[0]).__name__}"
        )
    return None


def _looped(model: keras.Model) -> list[keras.Layer]:
    """Lists the layers that TensorFlow evaluates for many members in a loop.

    Recurrent layers have one of their own; a convolution is done member by member.
    """
    return [
        layer
        for layer in keras_private.all_layers(model)
        if isinstance(layer, _CONVOLUTIONS)
        or (isinstance(layer, layers.RNN) and not layer.unroll)
    ]
