"""What every calibration does: check, set layer after layer, and report."""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np

from keras_inits.calibration.data import Data
from keras_inits.calibration.layers import array, logit_moments
from keras_inits.calibration.report import CalibrationReport, LayerRow
from keras_inits.inspection.layers import names

Quantities = dict[str, float]
# Sets one layer, with a seed of its own; why it did not get what was asked, or None.
Adjust = Callable[[keras.Layer, int], str | None]
Measure = Callable[[Sequence[keras.Layer]], list[Quantities]]


def calibrate(
    method: str,
    model: keras.Layer,
    treated: Sequence[keras.Layer],
    skipped: Mapping[keras.Layer, str],
    adjust: Adjust,
    measure: Measure,
    seed: int | None = None,
    strict: bool = False,
    note: str = "",
) -> CalibrationReport:
    """Sets layers one after the other, or none if anything goes wrong.

    Args:
        method: Name of the calibration.
        model: A built model.
        treated: Its layers that `adjust` is called with, in order.
        skipped: Its other layers that have weight matrices, each with the reason.
        adjust: Sets a layer.
        measure: Measures layers, before and after.
        seed: From which each layer gets a seed of its own; `None` draws it from
            Python's generator, which `keras.utils.set_random_seed` sets.
        strict: Whether a skipped layer is an error.
        note: For the report.

    Raises:
        ValueError: If no layer can be treated, or with `strict` not all.
    """
    name = names(model)
    reasons = {name[layer]: why for layer, why in skipped.items()}
    if not treated or (strict and skipped):
        listed = "; ".join(f"{layer}: {why}" for layer, why in reasons.items())
        needed = "every layer with a weight matrix" if strict else "a layer"
        raise ValueError(
            f"{method} needs {needed} to be one that it can treat. "
            f"Received: model={model.name}, with {listed or 'no such layer'}"
        )
    layer_seeds = seeds(seed, len(treated))
    missed: dict[str, str] = {}
    before = measure(treated)
    with restored_on_error(model):
        for layer, layer_seed in zip(treated, layer_seeds, strict=True):
            why = adjust(layer, layer_seed)
            if why is not None:
                missed[name[layer]] = why
        after = measure(treated)
    rows = (
        LayerRow(name[layer], *numbers)
        for layer, *numbers in zip(treated, before, after, strict=True)
    )
    return CalibrationReport(method, tuple(rows), missed, reasons, note)


@contextlib.contextmanager
def restored_on_error(model: keras.Layer) -> Iterator[None]:
    """Gives all variables of a model their values back if the block fails."""
    values = [keras.ops.convert_to_numpy(v).copy() for v in model.variables]
    try:
        yield
    except BaseException:
        for variable, value in zip(model.variables, values, strict=True):
            variable.assign(value)
        raise


def seeds(seed: int | None, count: int) -> list[int]:
    """Derives independent seeds from one, or from Python's generator for `None`."""
    if seed is None:
        seed = random.getrandbits(31)
    elif not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(
            f"`seed` must be an integer of at least 0, or None. Received: seed={seed}"
        )
    # Keras takes seeds up to 2**31.
    return [int(s) >> 1 for s in np.random.SeedSequence(seed).generate_state(count)]


def measure_weights(treated: Sequence[keras.Layer]) -> list[Quantities]:
    """Measures the weight matrices of layers, or what else they train."""
    quantities = []
    for layer in treated:
        weights = [array(weight) for weight in layer.trainable_weights]
        weights = [weight for weight in weights if weight.ndim > 1] or weights
        entries = np.concatenate([weight.reshape(-1) for weight in weights])
        quantities.append(
            {"weight mean": float(entries.mean()), "weight sd": float(entries.std())}
        )
    return quantities


def measure_logits(data: Data) -> Measure:
    """Returns what measures weights and logits."""

    def measure(treated: Sequence[keras.Layer]) -> list[Quantities]:
        logits = logit_moments(data, treated)
        return [
            {
                "weight sd": weights["weight sd"],
                "logit mean": float(measured.mean[0]),
                "logit variance": float(measured.variance[0]),
            }
            for weights, measured in zip(measure_weights(treated), logits, strict=True)
        ]

    return measure
