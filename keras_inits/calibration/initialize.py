"""A built model drawn anew, by an initializer or by a calibration."""

from collections.abc import Iterator
from typing import Any

import keras

from keras_inits import suitability
from keras_inits.calibration.base import calibrate, measure_weights, seeds
from keras_inits.calibration.registry import calibration_of
from keras_inits.calibration.report import CalibrationReport
from keras_inits.initializers import registration
from keras_inits.inspection.keras_private import has_own_weights
from keras_inits.inspection.layers import check_model, leaf_layers, why_not_set

# What layers call the initializers of their kernels.
_KERNELS = (
    "kernel_initializer",
    "recurrent_initializer",
    "depthwise_initializer",
    "pointwise_initializer",
)


def initialize(
    model: keras.Layer,
    initializer: Any,
    x: Any = None,
    seed: int | None = None,
    strict: bool = False,
) -> CalibrationReport:
    """Draws the weights of a built model anew, in place.

    With an initializer, every kernel, recurrent ones too, is drawn from it, each layer
    by a seed of its own, and biases and all else from the initializers that the layers
    have. One that is made for logistic units warns of each layer of others. Methods
    that an initializer cannot do alone are done by their calibration: `"rai"` and
    `"gsm"`; `"random_ep"` and `"ortho_ep"` where there is data; and `"lsuv"` and
    `"jacobian_norm"`, which are no initializers.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, "relu")])
    >>> report = keras_inits.initialize(model, "identity")
    >>> report.rows[0].after["weight mean"]
    0.25

    Args:
        model: A built model.
        initializer: The name of an initializer or calibration, or an initializer:
            an object, a class or a config.
        x: Samples, for the methods that need them: an array, or what else the model
            takes, or a dataset of batches. Defaults to `None`.
        seed: From which each layer gets a seed of its own. Defaults to `None`, for the
            seed of `initializer`, if it is an object that was given one, or a new one.
        strict: Whether a layer that cannot be treated is an error. Defaults to
            `False`: it stays as it is, and the report names it.

    Returns:
        Mean and standard deviation of the weights, before and after; of a
        calibration, its own report.

    Raises:
        TypeError: If `x` is neither arrays nor a dataset.
        ValueError: If `initializer` is unknown, `x` is missing, the model is not
            built, no layer can be treated, or with `strict` not all can. The model is
            then as it was.
    """
    check_model(model)
    given = initializer
    calibration = calibration_of(initializer)
    if calibration is None:
        given = registration.get(initializer)
        calibration = calibration_of(given)
        if seed is None:
            seed = own_seed(given)
    without_data = ""
    if calibration is not None and calibration.data == "required" and x is None:
        if calibration.initializer is None:
            raise ValueError(f"'{initializer}' needs samples. Received: x=None")
        calibration = None
        without_data = "without data: biases do not centre the logits"
    if calibration is not None:
        arguments = calibration.arguments(given)
        if calibration.data != "none":
            arguments["x"] = x
        return calibration.function(model, **arguments, seed=seed, strict=strict)
    name = initializer if isinstance(initializer, str) else type(given).__name__
    # The name in the table of facts, whatever form the initializer was given in.
    registered = (
        known
        for known in registration.available()
        if type(registration.get(known)) is type(given)
    )
    suitability.warn_of_misfits(model, next(registered, name))
    return _draw_anew(model, given, name, without_data, seed, strict)


def _draw_anew(
    model: keras.Layer,
    initializer: Any,
    name: str,
    note: str,
    seed: int | None,
    strict: bool,
) -> CalibrationReport:
    """Takes the weights of each layer from one like it that is built anew."""
    drawn: dict[keras.Layer, Any] = {}
    skipped: dict[keras.Layer, str] = {}
    weighted = [layer for layer in leaf_layers(model) if layer.weights]
    for layer, layer_seed in zip(weighted, seeds(seed, len(weighted)), strict=True):
        # Layers such as Normalization have nothing to train: they know their data.
        if not layer.trainable_weights:
            if has_own_weights(layer):
                skipped[layer] = "it is frozen: trainable=False"
        elif isinstance(layer, keras.Model):
            skipped[layer] = "it has weights of its own beside layers"
        elif reason := why_not_set(layer):
            skipped[layer] = reason
        else:
            try:
                config, build_config = layer.get_config(), layer.get_build_config()
            except NotImplementedError:
                skipped[layer] = "it has no config to build another from"
                continue
            fresh_seeds = iter(seeds(layer_seed, _MOST_SEEDS))
            fresh = type(layer).from_config(_with(config, initializer, fresh_seeds))
            fresh.build_from_config(build_config)
            drawn[layer] = fresh.get_weights()

    def adjust(layer: keras.Layer, _: int) -> None:
        layer.set_weights(drawn[layer])

    return calibrate(
        name, model, list(drawn), skipped, adjust, measure_weights, None, strict, note
    )


# More than there are initializers in the config of any one layer.
_MOST_SEEDS = 64


def _with(config: Any, initializer: Any, fresh_seeds: Iterator[int]) -> Any:
    """Returns the config of a layer with another initializer, and seeds for all."""
    if isinstance(config, list | tuple):
        return type(config)(_with(value, initializer, fresh_seeds) for value in config)
    if not isinstance(config, dict):
        return config
    changed = {}
    for key, value in config.items():
        if key in _KERNELS:
            changed[key] = _reseeded(initializer, next(fresh_seeds))
        elif key == "seed" and value is None:
            changed[key] = next(fresh_seeds)
        else:
            changed[key] = _with(value, initializer, fresh_seeds)
    return changed


def _reseeded(initializer: Any, seed: int) -> Any:
    """Returns a copy with another seed, or what has no seed as it is."""
    if not isinstance(initializer, keras.Initializer):
        return initializer
    config = initializer.get_config()
    if "seed" not in config:
        return initializer
    return type(initializer).from_config({**config, "seed": seed})


def own_seed(initializer: Any) -> int | None:
    """Returns the seed that an initializer was given, or None."""
    if not isinstance(initializer, keras.Initializer):
        return None
    seed = initializer.get_config().get("seed")
    return seed if isinstance(seed, int) else None
