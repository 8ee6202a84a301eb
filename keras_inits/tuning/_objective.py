"""Whether the objective of a search is logged at all, asked before training."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import keras_tuner
from keras import tree
from keras_tuner import errors

from keras_inits.inspection.batches import take


def check_before_training(
    objective: keras_tuner.Objective, network: keras.Model, fit: Mapping[str, Any]
) -> None:
    """Evaluates a network on a few samples, to see what it logs.

    Generators have no sample to spare, and a callback that is not Keras' own may add to
    the logs: what these come to is for `ObjectiveCheck` to see.

    Args:
        objective: That of the oracle.
        network: The compiled network; it cannot be used any more.
        fit: Arguments of `fit`, of which the data are arrays.

    Raises:
        keras_tuner.errors.FatalValueError: If the objective will not be logged.
    """
    modules = [type(callback).__module__ for callback in callbacks(fit)]
    if all(module.startswith("keras.") for module in modules):
        data = {name: fit.get(name) for name in ("x", "y", "sample_weight")}
        few = take(data, slice(2))
        network.run_eagerly = True  # For one batch, tracing takes longer.
        logs = network.evaluate(**few, verbose=0, return_dict=True)
        check(objective, logs, validates(fit))


class ObjectiveCheck(keras.callbacks.Callback):
    """Ends a search in its first epoch if the objective is not logged.

    Args:
        objective: That of the oracle.
        validates: Whether there are validation data.
    """

    def __init__(self, objective: keras_tuner.Objective, validates: bool) -> None:
        """Keeps the arguments."""
        super().__init__()
        self._objective, self._validates = objective, validates

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at what the members have logged so far."""
        names = self.model.member_logs
        # In `validation_freq` epochs only, of which there may have been none.
        pending = self._validates and not any(map(_is_validation, names))
        check(self._objective, names, pending)


def validates(fit: Mapping[str, Any]) -> bool:
    """Tells whether `fit` has validation data."""
    return bool(fit.get("validation_split")) or fit.get("validation_data") is not None


def callbacks(fit: Mapping[str, Any]) -> list[Any]:
    """Returns the user's callbacks."""
    return list(tree.flatten(fit.get("callbacks") or []))


def check(
    objective: keras_tuner.Objective, names: Iterable[str], validation: bool = False
) -> None:
    """Checks that the objective is among what is logged.

    Args:
        objective: That of the oracle.
        names: Names of logs.
        validation: Whether the same names with `val_` will be logged too.

    Raises:
        keras_tuner.errors.FatalValueError: If it is not.
    """
    names = list(names)
    if validation:
        names += [f"val_{name}" for name in names]
    if not objective.has_value(dict.fromkeys(names)):
        without = "" if any(map(_is_validation, names)) else ", without validation data"
        raise errors.FatalValueError(
            "The objective must be among what `fit` logs of each member, here "
            f"{', '.join(names) or 'nothing'}{without}. Received: objective={objective}"
        )


def _is_validation(name: str) -> bool:
    return name.startswith("val_")
