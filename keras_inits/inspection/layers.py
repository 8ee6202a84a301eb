"""The layers that a network is made of, their names and their weights."""

from collections import Counter
from collections.abc import Sequence

import keras
from keras import layers

from keras_inits.inspection import keras_private
from keras_inits.utils.validation import unknown

_KERNEL_LAYERS = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)


def leaf_layers(model: keras.Layer) -> list[keras.Layer]:
    """Lists the layers that a network is made of, each once, in order.

    Models within models and wrappers are looked into. Recurrent layers and
    `TimeDistributed` are taken as a whole: what they repeat runs in a loop of the
    backend. A layer with weights and layers of its own comes before those. What a
    built model holds and has never called is left out.

    Examples:
    >>> import keras
    >>> from keras_inits.inspection.layers import leaf_layers
    >>> block = keras.Sequential([keras.layers.Dense(3), keras.layers.ReLU()])
    >>> model = keras.Sequential([keras.Input((9, 2)), block, keras.layers.LSTM(4)])
    >>> [type(layer).__name__ for layer in leaf_layers(model)]
    ['Dense', 'ReLU', 'LSTM']

    Args:
        model: A model or layer.
    """
    leaves: dict[int, keras.Layer] = {}

    def visit(layer: keras.Layer) -> None:
        parts = [
            part
            for part in keras_private.sublayers(layer)
            if part is not getattr(layer, "activation", None)
        ]
        whole = not parts or isinstance(layer, layers.RNN | layers.TimeDistributed)
        if whole or keras_private.has_own_weights(layer):
            leaves.setdefault(id(layer), layer)
        if not whole:
            for part in parts:
                visit(part)

    visit(model)
    return [
        layer
        for layer in leaves.values()
        if not isinstance(layer, layers.InputLayer)
        # A built model may hold layers that it never calls.
        and (layer.built or not model.built)
    ]


def distinct_names(network: Sequence[keras.Layer]) -> list[str]:
    """Names layers, where several may have one name: the second `name` is `name (2)`.

    Examples:
    >>> import keras
    >>> from keras_inits.inspection.layers import distinct_names
    >>> distinct_names([keras.layers.Dense(2, name="same") for _ in range(2)])
    ['same', 'same (2)']

    Args:
        network: Layers, as from `leaf_layers`.
    """
    counts: Counter[str] = Counter()
    names = []
    for layer in network:
        counts[layer.name] += 1
        count = counts[layer.name]
        names.append(layer.name if count == 1 else f"{layer.name} ({count})")
    return names


def check_model(model: keras.Layer) -> None:
    """Raises an error if `model` is not a built Keras model or layer."""
    if not isinstance(model, keras.Layer):
        raise TypeError(
            f"A model is a keras.Model. Received: model of type {type(model).__name__}"
        )
    if not (model.built and leaf_layers(model)):
        unbuilt = [part.name for part in leaf_layers(model) if not part.built]
        raise ValueError(
            "A model must be built, by an Input or by calling it on data. "
            f"Received: model={model.name}, not built: "
            f"{', '.join(unbuilt) or 'any of its layers'}"
        )


def names(model: keras.Layer) -> dict[keras.Layer, str]:
    """Names the layers, so that no two of one model have the same name."""
    layers = leaf_layers(model)
    return dict(zip(layers, distinct_names(layers), strict=True))


def kernel_layers(model: keras.Layer) -> list[keras.Layer]:
    """Lists the dense and convolutional layers of a model, in order."""
    return [layer for layer in leaf_layers(model) if isinstance(layer, _KERNEL_LAYERS)]


def why_not_set(layer: keras.Layer) -> str | None:
    """Says why the weights of a layer cannot be set as those of others; `None` if so.

    A kernel that is quantized, or has LoRA factors beside it, is not one variable.
    """
    for part in keras_private.all_layers(layer):
        mode = getattr(part, "quantization_mode", None)
        if mode is not None:
            return f"it is quantized: {mode}"
        if getattr(part, "lora_enabled", False):
            return "it has LoRA factors beside its kernel"
    return None


def variables_of(model: keras.Model, layer: str | keras.Layer) -> list[keras.Variable]:
    """Returns the trainable weights of a layer.

    Args:
        model: The model.
        layer: One of its leaf_layers layers, its name, or that of one of its weights,
            such as `"dense/kernel"`.

    Raises:
        ValueError: If the name is unknown, several layers have it, or the layer has no
            trainable weight.
    """
    known = [part for part in leaf_layers(model) if part.trainable_variables]
    if isinstance(layer, str):
        name, _, weight = layer.partition("/")
        matches = [part for part in known if part.name == name]
    else:
        name, weight = layer.name, ""
        matches = [part for part in known if part is layer]
    if not matches:
        names = [part.name for part in known]
        raise unknown("layer with trainable weights", name, names, "layer")
    if len(matches) > 1:
        raise ValueError(
            "Several layers have that name: give the layer itself. "
            f"Received: layer={layer}"
        )
    variables = matches[0].trainable_variables
    chosen = [variable for variable in variables if weight in ("", variable.name)]
    if not chosen:
        raise unknown("weight", weight, [v.name for v in variables], "layer")
    return chosen
