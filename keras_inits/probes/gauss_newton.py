"""The Gauss-Newton matrix of the loss: theorem 1 of Skorski."""

from typing import Any

import keras

from keras_inits.probes.objective import Objective, as_objective
from keras_inits.probes.spectrum import Block, Spectrum, leading


def gauss_newton(
    model: keras.Model | Objective,
    x: Any = None,
    y: Any = None,
    layer: str | keras.Layer | None = None,
    loss: Any = None,
    k: int = 1,
    batch_size: int = 1024,
    logits: bool = True,
) -> Spectrum:
    """Finds leading eigenvalues of the Gauss-Newton matrix of the loss.

    It is the right-hand side of Skorski's theorem 1, `v^T H_z v` with `v = B A g F`:
    the change `v` of `z` that a change `g` of the weights makes, weighed by the
    Hessian `H_z` of the loss by `z`, and averaged over samples. What it leaves out of
    the Hessian by the weights is the curvature of `z` itself. By the weights of one
    layer there is none where all activations between them and `z` are piecewise
    linear, as ReLU is: the two are then equal. Penalties on weights are left out.

    The paper has `z`, the output of the network, come from an elementwise activation.
    Softmax is not one, and has a curvature, so that `z` is by default taken before the
    last activation, which is then a part of the loss.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import probes
    >>> relu = keras.layers.Dense(8, "relu", name="relu")
    >>> model = keras.Sequential([keras.Input((3,)), relu, keras.layers.Dense(2)])
    >>> model.compile(loss="mse")
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 20, 3))
    >>> objective = probes.Objective(model, x, y[:, :2])
    >>> gauss_newton = probes.gauss_newton(objective, layer="relu")
    >>> hessian = probes.hessian(objective, layer="relu")
    >>> bool(np.allclose(gauss_newton.eigenvalues, hessian.eigenvalues, rtol=1e-4))
    True

    Args:
        model: A built model with one output, or an `Objective`, which then has the
            data, loss and `logits`.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        y: Targets, as the loss takes them.
        layer: A layer, its name, or that of one of its weights, such as
            `"dense/kernel"`, which is the paper's `w`. Defaults to `None`: all
            trainable weights.
        loss: A loss in place of the compiled one. Defaults to `None`.
        k: How many eigenvalues, of the largest magnitude. Defaults to `1`.
        batch_size: Samples that are evaluated at a time. Defaults to `1024`.
        logits: Whether `z` is taken before the last activation. Defaults to `True`.

    Raises:
        ValueError: As `hessian` does, or if the model has several outputs.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), theorem 1, equation 4, and
        remark 1.
    """
    objective = as_objective(model, x, y, loss, batch_size, logits)
    block = Block(
        objective.gauss_newton_product, objective.places(layer), objective.weights
    )
    return leading(block, k)
