"""The networks of a population as one would write them by hand in JAX."""

from collections.abc import Callable
from typing import Any

import numpy as np

Weights = list[tuple[Any, Any]]
"""Kernel and bias of each layer, with a leading axis of members."""


def start(weights: Weights) -> Any:
    """Returns what the first step takes: weights, and moments of Adam at zero."""
    import jax

    zeros = jax.tree.map(np.zeros_like, weights)
    return weights, zeros, zeros, 1.0


def trainer(learning_rate: float = 0.001) -> Callable[[Any, Any, Any], Any]:
    """Returns a function that trains dense ReLU networks with a softmax at their end.

    It takes the steps that plain `fit` takes with Keras' Adam, sparse cross-entropy and
    accuracy: `jax.vmap` maps a step over members, `jax.lax.scan` goes through batches.

    Returns:
        A function of the state, from `start`, of inputs `(steps, batch, features)`, and
        of targets `(steps, batch)`. It returns the state at the end, and losses and
        accuracies, `(steps, members)` each.
    """
    import jax
    from jax import numpy as jnp

    def loss(weights: Weights, x: Any, y: Any) -> tuple[Any, Any]:
        *hidden, (kernel, bias) = weights
        for inner, shift in hidden:
            x = jax.nn.relu(x @ inner + shift)
        logits = x @ kernel + bias
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)
        return -chosen.mean(), (logits.argmax(1) == y).mean()

    def step(
        weights: Weights, mean: Any, square: Any, rate: Any, x: Any, y: Any
    ) -> tuple[Any, Any, Any, Any]:
        scores, gradient = jax.value_and_grad(loss, has_aux=True)(weights, x, y)
        mean = jax.tree.map(lambda m, g: m + (g - m) * 0.1, mean, gradient)
        square = jax.tree.map(lambda v, g: v + (g**2 - v) * 0.001, square, gradient)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, mean, square
        )
        return weights, mean, square, scores

    steps: Any = jax.vmap(step, in_axes=(0, 0, 0, None, None, None))

    def on_batch(state: Any, batch: tuple[Any, Any]) -> tuple[Any, Any]:
        *moments, t = state
        rate = learning_rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        *moments, scores = steps(*moments, rate, *batch)
        return (*moments, t + 1), scores

    # The state is given away, and so updated in place.
    return jax.jit(
        lambda state, x, y: jax.lax.scan(on_batch, state, (x, y)), donate_argnums=0
    )
