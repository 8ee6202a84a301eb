"""Which initializer suits which activation, and who says so."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_inits.initializers import registration
from keras_inits.inspection import keras_private
from keras_inits.inspection.activations import activation_of, name_of
from keras_inits.inspection.layers import leaf_layers


@dataclass(frozen=True)
class Fact:
    """An initializer and the activations that it is derived or shown for.

    Args:
        initializer: Its name.
        activations: Names of the activations, as Keras spells them.
        source: Where that is shown.
        only: Whether what it is derived from holds of these alone, so that a layer with
            another is warned of.
    """

    initializer: str
    activations: Sequence[str]
    source: str
    only: bool = False


_HE = "He et al., 2015, https://arxiv.org/abs/1502.01852, section 2.2"
_LEE = "Lee et al., 2024, https://arxiv.org/abs/2311.03733, table 2"
_GLOROT = "Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html"
_LECUN = "LeCun et al., 1998, Efficient BackProp, section 4.6"
_SANSONE = (
    "Sansone and De Natale, 2017, Training Feedforward Neural Networks with Standard "
    "Logistic Activations is Feasible, theorem 1"
)
_YILMAZ = (
    "Yilmaz and Poli, 2022, Neural Networks 153, and their letter "
    "on its use with other activations"
)

FACTS = (
    Fact("lee_qr", ("relu", "gelu", "selu"), _LEE),
    Fact("he_normal", ("relu", "relu6", "leaky_relu", "prelu"), _HE),
    Fact("he_uniform", ("relu", "relu6", "leaky_relu", "prelu"), _HE),
    Fact(
        "he_normal",
        ("elu",),
        "Clevert et al., 2016, https://arxiv.org/abs/1511.07289, section 4",
    ),
    Fact("zer_o", ("relu",), "Zhao et al., 2022, https://arxiv.org/abs/2110.12661"),
    Fact("rai", ("relu",), "Lu et al., 2019, https://arxiv.org/abs/1903.06733"),
    Fact(
        "gsm",
        ("relu",),
        "Burkholz and Dubatovka, 2019, https://arxiv.org/abs/1806.06362",
    ),
    Fact(
        "rectangular_identity",
        ("relu",),
        "Le et al., 2015, https://arxiv.org/abs/1504.00941, of recurrent kernels",
    ),
    Fact(
        "lecun_normal",
        ("selu",),
        "Klambauer et al., 2017, https://arxiv.org/abs/1706.02515",
    ),
    Fact("glorot_uniform", ("tanh", "softsign", "softmax", "linear"), _GLOROT),
    Fact("glorot_normal", ("tanh", "softsign", "softmax", "linear"), _GLOROT),
    Fact("lecun_normal", ("tanh",), _LECUN),
    Fact("lecun_uniform", ("tanh",), _LECUN),
    Fact(
        "skorski_normal",
        ("tanh", "softsign", "linear"),
        "Skorski, 2020, https://arxiv.org/abs/2004.09506, corollary 2",
    ),
    Fact(
        "orthogonal",
        ("tanh", "linear"),
        "Saxe et al., 2014, https://arxiv.org/abs/1312.6120",
    ),
    Fact("random_ep", ("sigmoid",), _SANSONE, only=True),
    Fact("ortho_ep", ("sigmoid",), _SANSONE, only=True),
    Fact("yilmaz_poli", ("sigmoid",), _YILMAZ, only=True),
)
"""The table, the first choice for an activation first."""

# Between a layer and the activation after it, these change nothing of what it is:
# layers, and operations of the same name.
_BETWEEN = (
    *("BatchNormalization", "LayerNormalization", "Dropout"),
    *("Add", "Average", "Concatenate", "Subtract"),
)


def fitting(activation: str) -> dict[str, str]:
    """Lists the initializers that suit an activation.

    Examples:
    >>> from keras_inits import suitability
    >>> list(suitability.fitting("sigmoid"))
    ['random_ep', 'ortho_ep', 'yilmaz_poli']
    >>> suitability.fitting("prelu")["he_normal"]
    'He et al., 2015, https://arxiv.org/abs/1502.01852, section 2.2'

    Args:
        activation: Its name, as Keras spells it.

    Returns:
        The source by the name of the initializer; empty if nothing is known.
    """
    facts = [fact for fact in FACTS if activation in fact.activations]
    return {fact.initializer: fact.source for fact in facts}


def advice(activation: str, besides: str | None = None) -> str:
    """Says in a sentence which initializers suit an activation.

    Args:
        activation: Its name.
        besides: An initializer to leave out.
    """
    names = [repr(name) for name in fitting(activation) if name != besides]
    if not names:
        return f"No initializer is known to be made for {activation}."
    return f"Initializers for {activation}: {', '.join(names)}."


@dataclass(frozen=True)
class Misfit:
    """A layer whose initializer is made for another activation than it has.

    Args:
        layer: Name of the layer.
        activation: Name of its activation.
        fact: What is known of its initializer.
    """

    layer: str
    activation: str
    fact: Fact

    def __str__(self) -> str:
        """Names the layer, its activation and initializers that fit."""
        made_for = " and ".join(self.fact.activations)
        return (
            f"Layer '{self.layer}' has activation {self.activation}, and "
            f"'{self.fact.initializer}' is made for {made_for} only "
            f"({self.fact.source}). {advice(self.activation)}"
        )


def misfits(model: keras.Model, method: str | None = None) -> list[Misfit]:
    """Finds the layers whose initializer is made for another activation.

    A linear layer has the activation of what takes its outputs, past normalization,
    dropout and sums, as of residual blocks, if that is an activation and nothing else.

    Examples:
    >>> import keras
    >>> from keras_inits import suitability
    >>> layer = keras.layers.Dense(2, "relu", kernel_initializer="yilmaz_poli")
    >>> misfit, = suitability.misfits(keras.Sequential([keras.Input((3,)), layer]))
    >>> misfit.activation, misfit.fact.activations
    ('relu', ('sigmoid',))

    Args:
        model: The model.
        method: Name of an initializer, or of a method of `keras_inits.initialize`,
            that is to be used in all layers. Defaults to those that the layers have.
    """
    results = []
    network = leaf_layers(model)
    for place, layer in enumerate(network):
        own = [
            initializer
            for role in ("kernel", "pointwise", "depthwise")
            if (initializer := getattr(layer, f"{role}_initializer", None)) is not None
        ]
        activation = activation_of(layer)
        if not own or activation is None:
            continue
        if activation is keras.activations.linear:
            activation = _next_activation(layer, network[place + 1 :]) or activation
        name = name_of(activation)
        for fact in FACTS:
            used = fact.initializer == method if method else _is_one(own, fact)
            if fact.only and used and name not in fact.activations:
                results.append(Misfit(layer.name, name, fact))
    return results


def warn_of_misfits(
    model: keras.Model, method: str | None = None, stacklevel: int = 3
) -> None:
    """Warns of each layer whose initializer is made for another activation.

    Args:
        model: The model.
        method: As in `misfits`.
        stacklevel: Of `warnings.warn`. Defaults to `3`, the caller of the caller.
    """
    for misfit in misfits(model, method):
        warnings.warn(str(misfit), stacklevel=stacklevel)


def _is_one(initializers: Sequence[Any], fact: Fact) -> bool:
    cls = type(registration.get(fact.initializer))
    return any(isinstance(initializer, cls) for initializer in initializers)


def _next_activation(layer: keras.Layer, others: Sequence[keras.Layer]) -> Any:
    """Returns the first activation behind a layer that is only that.

    Args:
        layer: The layer.
        others: Those after it in the order of the network: where no functional model
            says what takes its outputs it is the first of them.
    """
    consumers = keras_private.consumers(layer)
    ahead = list(consumers or others)
    for one in ahead:
        if type(one).__name__ in _BETWEEN:
            ahead += keras_private.consumers(one) if consumers else []
            continue
        found = None if getattr(one, "weights", ()) else activation_of(one)
        if not consumers or found not in (None, keras.activations.linear):
            return found
    return None
