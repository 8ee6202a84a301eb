"""Optimizers, and what their steps depend on."""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import optimizers


class OptimizerRow(NamedTuple):
    """An optimizer.

    Args:
        make: Takes a learning rate.
        linear: Whether a step is linear in the gradient, so that its size has to go
            down as that of the data goes up, and so that a gradient may come in parts.
        sign: Whether a step depends on the signs of gradients.
    """

    make: Callable[[float], Any]
    linear: bool = False
    sign: bool = False


def _sgd(**more: Any) -> OptimizerRow:
    return OptimizerRow(lambda rate: optimizers.SGD(rate, **more), linear=True)


def _adaptive(cls: Any, sign: bool = False, **more: Any) -> OptimizerRow:
    return OptimizerRow(lambda rate: cls(0.2 * rate, **more), sign=sign)


def _clipped(**more: Any) -> OptimizerRow:
    return OptimizerRow(lambda rate: optimizers.SGD(rate, 0.9, **more))


OPTIMIZERS: dict[str, OptimizerRow] = {
    "SGD": _sgd(),
    "momentum": _sgd(momentum=0.9),
    "nesterov": _sgd(momentum=0.9, nesterov=True),
    "SGD, weight decay": _sgd(weight_decay=0.1),
    "SGD, EMA": _sgd(use_ema=True, ema_momentum=0.8),
    "SGD, EMA overwritten": _sgd(
        use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2
    ),
    "SGD, accumulation": _sgd(gradient_accumulation_steps=2),
    "SGD, schedule": OptimizerRow(
        lambda rate: optimizers.SGD(
            optimizers.schedules.ExponentialDecay(rate, 2, 0.7), 0.5
        ),
        linear=True,
    ),
    "SGD, cosine": OptimizerRow(
        lambda rate: optimizers.SGD(optimizers.schedules.CosineDecay(rate, 10)),
        linear=True,
    ),
    "clipnorm": _clipped(clipnorm=0.1),
    "global_clipnorm": _clipped(global_clipnorm=0.1),
    "clipvalue": _clipped(clipvalue=0.01),
    "Adam": _adaptive(optimizers.Adam),
    "Adam, amsgrad": _adaptive(optimizers.Adam, amsgrad=True),
    "Adam, accumulation": _adaptive(optimizers.Adam, gradient_accumulation_steps=2),
    "AdamW": _adaptive(optimizers.AdamW, weight_decay=0.1),
    "RMSprop": _adaptive(optimizers.RMSprop, momentum=0.5, centered=True),
    "Lion": _adaptive(optimizers.Lion, sign=True),
    "Adagrad": _adaptive(optimizers.Adagrad),
    "Nadam": _adaptive(optimizers.Nadam),
}
