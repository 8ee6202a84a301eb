"""The trainable weights of a layer, by name."""

import keras

from keras_inits.naming import unknown
from keras_inits.signals import innermost


def variables_of(model: keras.Model, layer: str | keras.Layer) -> list[keras.Variable]:
    """Returns the trainable weights of a layer.

    Args:
        model: The model.
        layer: One of its innermost layers, its name, or that of one of its weights,
            such as `"dense/kernel"`.

    Raises:
        ValueError: If the name is unknown, several layers have it, or the layer has no
            trainable weight.
    """
    known = [part for part in innermost(model) if part.trainable_variables]
    if isinstance(layer, str):
        name, _, weight = layer.partition("/")
        found = [part for part in known if part.name == name]
    else:
        name, weight = layer.name, ""
        found = [part for part in known if part is layer]
    if not found:
        names = [part.name for part in known]
        raise unknown("layer with trainable weights", name, names, "layer")
    if len(found) > 1:
        raise ValueError(
            "Several layers have that name: give the layer itself. "
            f"Received: layer={layer}"
        )
    variables = found[0].trainable_variables
    chosen = [variable for variable in variables if weight in ("", variable.name)]
    if not chosen:
        raise unknown("weight", weight, [v.name for v in variables], "layer")
    return chosen
