"""The steps of an optimizer, and the learning rates up to which they are stable."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

from keras_inits.diagnostics import HessianOperator, Objective, eigenvalues
from keras_inits.diagnostics.stability import (
    StabilityLimits,
    gradient_limit,
    step_rule_of,
)

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")


def test_momentum_raises_the_limit():
    limits = StabilityLimits(gradient=0.2, sign=0.01)
    sgd = keras.optimizers.SGD
    assert limits.of(step_rule_of(None)) == 0.2
    assert limits.of(step_rule_of(sgd(momentum=0.5))) == pytest.approx(0.3)
    nesterov = step_rule_of(sgd(momentum=0.5, nesterov=True))
    assert limits.of(nesterov) == pytest.approx(0.15)
    assert limits.of(step_rule_of("adam")) == 0.01
    assert np.isnan(limits.of(step_rule_of("adagrad")))


def test_an_optimizer_that_scales_the_loss_is_the_one_within():
    rule = step_rule_of(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()))
    assert (rule.optimizer, rule.kind) == ("Adam", "sign")


@pytest.mark.parametrize("recurrent", [False, True])
def test_the_limit_is_that_of_the_largest_eigenvalue(recurrent):
    keras.utils.set_random_seed(1)
    inner = [layers.Reshape((8, 8)), layers.GRU(6)] if recurrent else []
    inner.append(layers.Dense(12, "tanh"))
    last = layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((64,)), *inner, last])
    objective = Objective(model, X[:200], Y[:200], "sparse_categorical_crossentropy")
    exact = eigenvalues(HessianOperator(objective), which="LA").eigenvalues[0]
    assert gradient_limit(objective) == pytest.approx(2 / exact, rel=0.1)
