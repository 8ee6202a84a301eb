"""Probes: what a network does with data, read without changing it."""

from keras_inits.probes.activity import LayerActivity, activity
from keras_inits.probes.curvature import Curvature, LayerCurvature, curvature
from keras_inits.probes.density import SpectralDensity, Trace, spectral_density, trace
from keras_inits.probes.gauss_newton import gauss_newton
from keras_inits.probes.hessian import hessian
from keras_inits.probes.jacobian import Jacobians, LayerJacobian, jacobian
from keras_inits.probes.jacobian_bound import JacobianBound, jacobian_bound
from keras_inits.probes.learning_rate import StableLearningRate, stable_learning_rate
from keras_inits.probes.objective import Objective
from keras_inits.probes.spectrum import Spectrum

__all__ = [
    "Curvature",
    "JacobianBound",
    "Jacobians",
    "LayerActivity",
    "LayerCurvature",
    "LayerJacobian",
    "Objective",
    "SpectralDensity",
    "Spectrum",
    "StableLearningRate",
    "Trace",
    "activity",
    "curvature",
    "gauss_newton",
    "hessian",
    "jacobian",
    "jacobian_bound",
    "spectral_density",
    "stable_learning_rate",
    "trace",
]
