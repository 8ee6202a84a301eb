"""Curvature: derivatives of the loss by weights, and of layers by what they are fed."""

from keras_inits.diagnostics.curvature.descent import (
    StableLearningRate,
    stable_learning_rate,
)
from keras_inits.diagnostics.curvature.jacobian import (
    Jacobians,
    LayerJacobian,
    jacobian,
)
from keras_inits.diagnostics.curvature.objective import Objective
from keras_inits.diagnostics.curvature.operators import (
    GaussNewtonOperator,
    HessianOperator,
)
from keras_inits.diagnostics.curvature.skorski import (
    Curvature,
    JacobianBound,
    LayerCurvature,
    curvature,
    jacobian_bound,
)
from keras_inits.diagnostics.curvature.spectrum import (
    SpectralDensity,
    Spectrum,
    Trace,
    eigenvalues,
    spectral_density,
    trace,
)

__all__ = [
    "Curvature",
    "GaussNewtonOperator",
    "HessianOperator",
    "JacobianBound",
    "Jacobians",
    "LayerCurvature",
    "LayerJacobian",
    "Objective",
    "SpectralDensity",
    "Spectrum",
    "StableLearningRate",
    "Trace",
    "curvature",
    "eigenvalues",
    "jacobian",
    "jacobian_bound",
    "spectral_density",
    "stable_learning_rate",
    "trace",
]
