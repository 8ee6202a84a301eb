"""The loss that a model is trained with, and the data that it is taken on."""

from typing import Any

import keras
import numpy as np
from keras import tree

from keras_inits.inspection.batches import evaluate


def loss_model(model: keras.Model, loss: Any) -> keras.Model:
    """Returns the model that says what the loss of outputs is.

    Args:
        model: The model that has the outputs, which says so itself if it is compiled.
        loss: A loss in its place, or `None`.

    Raises:
        ValueError: If the model is not compiled and there is no loss.
    """
    if loss is not None:
        other = keras.Sequential(name="loss")
        other.compile(loss=loss)
        return other
    if not model.compiled:
        raise _no_loss(model)
    return model


def check_loss(loss_model: keras.Model, model: keras.Model, x: Any) -> None:
    """Raises an error if neither `loss_model` nor the layers of the model have a loss.

    Args:
        loss_model: From `loss_model`.
        model: The model, whose layers may add to the loss.
        x: Inputs.
    """
    if loss_model.loss is None and not overrides_loss(loss_model):
        with keras.StatelessScope(collect_losses=True):
            evaluate(model, x)
            if not model.losses:
                raise _no_loss(model)


def overrides_loss(model: keras.Model) -> bool:
    """Tells whether a model has a `compute_loss` of its own."""
    return type(model).compute_loss is not keras.Model.compute_loss


def _no_loss(model: keras.Model) -> ValueError:
    return ValueError(
        "The model must be compiled with a loss, have layers that add one, or `loss` "
        f"be given. Received: model={model.name}, loss=None"
    )


def by_output(given: Any, model: keras.Model, outputs: Any) -> list[Any]:
    """Lists targets or losses by output, in the order of `keras.tree.flatten`.

    Args:
        given: One for the only output, or for all; a list in the order of the outputs;
            or a dictionary by the keys or the names of the outputs. `None` is for what
            there is none of.
        model: The model.
        outputs: What it returns.
    """
    count = len(tree.flatten(outputs))
    if isinstance(given, dict):
        names = getattr(model, "output_names", [])
        if isinstance(outputs, dict):
            names = tree.flatten({key: key for key in outputs})
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple):
        return list(given)
    return [given] * count


def check_targets(y: Any, samples: int) -> None:
    """Raises an error if there are not as many targets as samples."""
    if y is None:
        raise ValueError("`y` must be given: the targets of the loss. Received: y=None")
    parts = tree.flatten(y)
    if not all(map(np.ndim, parts)):
        raise ValueError(
            "Targets must be arrays, of one row for each sample. "
            f"Received: y of type {type(y).__name__}, of single numbers"
        )
    sizes = {np.shape(part)[0] for part in parts}
    if sizes != {samples}:
        raise ValueError(
            f"Targets must be as many as the samples, {samples}. "
            f"Received: y of {sorted(sizes)} samples"
        )


def check_reduction(loss: Any, samples: int, batch_size: int) -> None:
    """Raises an error if the mean over batches is not the loss of all samples."""
    reductions = {getattr(part, "reduction", None) for part in tree.flatten(loss)}
    if "sum" in reductions and samples > batch_size:
        raise ValueError(
            "A loss must be a mean over samples, or all samples one batch. Received: "
            f"reduction='sum', {samples} samples, batch_size={batch_size}"
        )
