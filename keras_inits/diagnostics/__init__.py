"""Diagnostics: what a network does with data, read without changing it."""

from keras_inits.diagnostics.curvature import (
    Curvature,
    GaussNewtonOperator,
    HessianOperator,
    JacobianBound,
    Jacobians,
    LayerCurvature,
    LayerJacobian,
    Objective,
    SpectralDensity,
    Spectrum,
    StableLearningRate,
    Trace,
    curvature,
    eigenvalues,
    jacobian,
    jacobian_bound,
    spectral_density,
    stable_learning_rate,
    trace,
)
from keras_inits.diagnostics.diagnose import diagnose
from keras_inits.diagnostics.result import Diagnosis
from keras_inits.diagnostics.units import LayerActivity, activity

__all__ = [
    "Curvature",
    "Diagnosis",
    "GaussNewtonOperator",
    "HessianOperator",
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
    "diagnose",
    "eigenvalues",
    "jacobian",
    "jacobian_bound",
    "spectral_density",
    "stable_learning_rate",
    "trace",
]
