"""What a population asks of an optimizer: to treat entries one by one."""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_inits.inspection import keras_private
from keras_inits.population.learning_rates import MemberLearningRates
from keras_inits.population.parameter_packing import Packing

_ELEMENTWISE = "SGD Adam AdamW Adamax Nadam Adagrad Adadelta RMSprop Ftrl Lion".split()
_MIXING = {
    "Adafactor": "scales its step by norms over each variable",
    "Lamb": "scales its step by norms over each variable",
    "Muon": "orthogonalizes each variable as one matrix",
    "LossScaleOptimizer": "skips the step of all where one gradient overflows, and is "
    "what mixed_float16 compiles with unless `auto_scale_loss=False`",
    "MultiOptimizer": "has a step of its own for each variable of a network",
    "ScheduleFreeAdamW": "begins with other weights where plain `fit` builds it",
}


def adapt(optimizer: Any, packing: Packing, members: int) -> None:
    """Has an optimizer take the step of every member, or refuses it.

    Args:
        optimizer: The optimizer.
        packing: How the trainable variables of a member lie in what it trains.
        members: Number of members.

    Raises:
        ValueError: If its step mixes entries, or if it has learning rates for another
            number of members.
    """
    _check(optimizer)
    optimizer.update_step = _fused(optimizer)
    keras_private.replace_clipping(
        optimizer, functools.partial(_clip_each_member, packing, optimizer)
    )
    rates = keras_private.learning_rate_of(optimizer)
    if isinstance(rates, MemberLearningRates):
        if len(rates.rates) != members:
            raise ValueError(
                f"There must be one learning rate for each of the {members} members. "
                f"Received: rates={rates.rates}"
            )
        optimizer.apply = _applied_by_member(optimizer, rates)


def changes_without_gradient(optimizer: Any) -> bool:
    """Tells whether an optimizer changes a variable whose gradient is 0."""
    return bool(optimizer.weight_decay) or isinstance(optimizer, keras.optimizers.Ftrl)


def check_weight_decay(
    optimizer: Any, packing: Packing, matrices: Sequence[Any]
) -> None:
    """Refuses exclusions from weight decay that a population cannot make.

    Args:
        optimizer: An optimizer that decays weights.
        packing: How the variables of a member lie in the matrices.
        matrices: Those of the population.
    """
    for matrix, group in zip(matrices, packing.groups.values(), strict=True):
        decays = keras_private.uses_weight_decay(optimizer, matrix)
        for variable in (packing.variables[index] for index in group):
            if keras_private.uses_weight_decay(optimizer, variable) != decays:
                raise ValueError(
                    "`exclude_from_weight_decay` of a population must be by names that "
                    "variables of several layers have, such as 'bias'. "
                    f"Received: an exclusion of {variable.path}"
                )


def _applied_by_member(
    optimizer: Any, rates: MemberLearningRates
) -> Callable[..., Any]:
    """Returns the `apply` of an optimizer, with a rate for each member within it."""

    def apply(*args: Any, **kwargs: Any) -> Any:
        with rates.by_member():
            return type(optimizer).apply(optimizer, *args, **kwargs)

    return apply


def _check(optimizer: Any) -> None:
    """Refuses an optimizer whose step mixes entries, and warns of an unknown one."""
    name = type(optimizer).__name__
    for cls in type(optimizer).__mro__:
        if reason := _MIXING.get(cls.__name__):
            raise ValueError(
                "A population needs an optimizer whose step treats entries one by one "
                "and members alike. "
                f"{cls.__name__} {reason}. Accepted: {', '.join(_ELEMENTWISE)}. "
                f"Received: optimizer={name}"
            )
    if name not in _ELEMENTWISE:
        warnings.warn(
            f"Optimizer {name} is taken to treat entries one by one; if it does not, "
            "the members of the population influence each other.",
            stacklevel=3,
        )


def _fused(optimizer: Any) -> Callable[..., Any]:
    """Returns the step of an optimizer, compiled: it passes once over its variables.

    Operation by operation, Adam reads and writes the weights of all members some
    twenty times. Other backends compile the whole of a training step anyway.
    """
    # That of its class: a population may have compiled it before.
    step = functools.partial(type(optimizer).update_step, optimizer)
    if keras.backend.backend() != "tensorflow":
        return step
    import tensorflow as tf

    compiled: dict[Any, Callable[..., Any]] = {}

    def compiled_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        # Not one for all: what it keeps of a variable is found while it is traced,
        # and a trace would serve every variable of the same shape.
        key = variable.ref()
        if key not in compiled:
            compiled[key] = tf.function(
                lambda gradient, rate: step(gradient, variable, rate), jit_compile=True
            )
        # A rate that Keras keeps in a variable of its own is no argument for it.
        compiled[key](gradient, ops.cast(learning_rate, variable.dtype))

    return compiled_step


def _clip_each_member(
    packing: Packing, optimizer: Any, gradients: list[Any]
) -> list[Any]:
    """Clips as `optimizer` would clip the gradients of each member alone."""

    def scale(gradient: Any, squares: Any, limit: float) -> Any:
        shape = (-1,) + (1,) * (len(gradient.shape) - 1)
        norm = ops.reshape(ops.sqrt(squares), shape)
        return gradient * (limit / ops.maximum(norm, limit))

    def squares(gradient: Any) -> Any:
        return ops.sum(ops.square(gradient), axis=tuple(range(1, len(gradient.shape))))

    if limit := optimizer.clipnorm:
        parts = packing.unpack(gradients)
        return packing.pack([scale(g, squares(g), limit) for g in parts])
    if limit := optimizer.global_clipnorm:
        total = sum(squares(g) for g in gradients)
        # As in Keras, what is not finite makes NaN of all gradients of a member.
        total = total + (total - total)
        return [scale(g, total, limit) for g in gradients]
    if limit := optimizer.clipvalue:
        return [ops.clip(g, -limit, limit) for g in gradients]
    return gradients
