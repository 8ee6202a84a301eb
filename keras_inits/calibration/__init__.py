"""Calibrations: a model, and data, in; weights set in place. One paper a file.

Each returns a `CalibrationReport`, sets all layers that it can or none, and names
those that it cannot.
"""

from keras_inits.calibration.elliptical_projection import elliptical_projection
from keras_inits.calibration.gsm import gsm
from keras_inits.calibration.initialize import initialize
from keras_inits.calibration.jacobian_norm import jacobian_norm
from keras_inits.calibration.lagrangian_lr import lagrangian_lr
from keras_inits.calibration.lsuv import lsuv
from keras_inits.calibration.rai import rai
from keras_inits.calibration.report import CalibrationReport

__all__ = [
    "CalibrationReport",
    "elliptical_projection",
    "gsm",
    "initialize",
    "jacobian_norm",
    "lagrangian_lr",
    "lsuv",
    "rai",
]
