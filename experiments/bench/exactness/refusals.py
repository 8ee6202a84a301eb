"""What plain `fit` takes, and a population refuses."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
from keras import optimizers


class OwnStep(keras.Model):
    """Trains itself in a way of its own."""

    def train_step(self, *args: Any) -> Any:
        """Does what Keras does."""
        return super().train_step(*args)


class Unused(keras.Layer):
    """Has a kernel that the loss does not depend on."""

    def __init__(self) -> None:
        """Makes the kernel."""
        super().__init__()
        self.kernel = self.add_weight((2, 2), name="kernel")

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        return inputs + 0.0


class Refusal(NamedTuple):
    """What is refused, and the words that say so.

    Args:
        message: A part of the message.
        optimizer: In place of that of the case.
        model: In place of `keras.Model`.
        end: Layers after the features.
        compiled: Further arguments of `compile`.
        fields: What the rest of the case must be.
    """

    message: str
    optimizer: Callable[[], Any] | None = None
    model: Any = keras.Model
    end: tuple[Callable[[], Any], ...] = ()
    compiled: Mapping[str, Any] = {}
    fields: Mapping[str, Any] = {}


REFUSALS: dict[str, Refusal] = {
    "Adafactor": Refusal("treats entries one by one", optimizers.Adafactor),
    "Lamb": Refusal("treats entries one by one", optimizers.Lamb),
    "Muon": Refusal("treats entries one by one", optimizers.Muon),
    "loss scaling": Refusal(
        "treats entries one by one",
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD()),
    ),
    "auto_scale_loss": Refusal(
        "members share one loss",
        compiled={"auto_scale_loss": True},
        fields={"dtype": "mixed_float16"},
    ),
    "train_step": Refusal("takes the steps of plain `fit`", model=OwnStep),
    "unused weights that decay": Refusal(
        "variables that the loss does not depend on",
        end=(Unused,),
        fields={"optimizer": "AdamW"},
    ),
}
