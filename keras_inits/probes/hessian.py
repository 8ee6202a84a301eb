"""Leading eigenvalues of the Hessian of the loss."""

from typing import Any

import keras

from keras_inits.probes.objective import Objective, as_objective
from keras_inits.probes.spectrum import Block, Spectrum, leading


def hessian(
    model: keras.Model | Objective,
    x: Any = None,
    y: Any = None,
    loss: Any = None,
    layer: str | keras.Layer | None = None,
    k: int = 1,
    which: str = "LM",
    batch_size: int = 1024,
) -> Spectrum:
    """Finds leading eigenvalues of the Hessian of the loss, by products only.

    `H_w` is the second derivative of the loss by all trainable weights, or by those of
    a layer, penalties on weights included. Its product with a vector is exact, and the
    Lanczos method finds the eigenvalues from some tens of products. By default those
    of the largest magnitude are found, of which the first is the spectral norm.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import probes
    >>> layer = keras.layers.Dense(1, use_bias=False, name="dense")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")  # Its Hessian is 2 X^T X / samples.
    >>> x = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> print(probes.hessian(model, x, np.zeros((2, 1)), k=2).eigenvalues)
    [9. 1.]

    Args:
        model: A built model, or an `Objective`, which then has the data and loss.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        y: Targets, as the loss takes them.
        loss: A loss in place of the compiled one. Defaults to `None`.
        layer: A layer, its name, or that of one of its weights, such as
            `"dense/kernel"`. Defaults to `None`: all trainable weights.
        k: How many eigenvalues. Defaults to `1`.
        which: Which ones, as in `scipy.sparse.linalg.eigsh`: `"LM"` of largest
            magnitude, `"LA"` largest, `"SA"` smallest, `"BE"` half from each end, of
            an odd `k` one more of the largest. Defaults to `"LM"`.
        batch_size: Samples that are evaluated at a time; results are those of all
            samples. Defaults to `1024`.

    Raises:
        ValueError: If the model is not built, has no trainable weights or no loss, or
            cannot take the data; if the layer is unknown or `k` too large; or if the
            loss or the products are not finite.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), section 1.2.
    """
    objective = as_objective(model, x, y, loss, batch_size)
    block = Block(objective.hessian_product, objective.places(layer), objective.weights)
    return leading(block, k, which)
