"""Weight initializers from papers, by name, for Keras.

Importing this package registers every initializer with Keras:

>>> import keras
>>> import keras_inits
>>> layer = keras.layers.Dense(10, "relu", kernel_initializer="lee_qr")

`keras_inits.available()` lists the names. `Population` trains many copies of a network
as one; `InitializerHyperModel` and `PopulationTuner` search over initializers with
KerasTuner, which they need installed.
"""

from typing import Any

from keras_inits import calibration, diagnostics, initializers, suitability
from keras_inits.calibration import initialize
from keras_inits.callbacks import DeadUnitMonitor
from keras_inits.comparison import Comparison, compare
from keras_inits.diagnostics import Diagnosis, diagnose
from keras_inits.initializers import *  # noqa: F403
from keras_inits.initializers.registration import available, get
from keras_inits.population import Population, SeedBatches

__version__ = "0.1.0"
__all__ = [
    *initializers.__all__,
    "Comparison",
    "DeadUnitMonitor",
    "Diagnosis",
    "InitializerHyperModel",  # noqa: F405
    "Population",
    "PopulationTuner",  # noqa: F405
    "SeedBatches",
    "available",
    "calibration",
    "compare",
    "diagnose",
    "diagnostics",
    "get",
    "initialize",
    "suitability",
]

_NEED_KERAS_TUNER = ("InitializerHyperModel", "PopulationTuner")


def __getattr__(name: str) -> Any:
    """Imports what needs KerasTuner when it is first asked for."""
    if name in _NEED_KERAS_TUNER:
        from keras_inits import tuning

        return getattr(tuning, name)
    raise AttributeError(f"module 'keras_inits' has no attribute '{name}'")
