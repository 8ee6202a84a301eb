"""Products with derivatives: forward and reverse mode of the backend."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

# Of a list of tensors, returns a tensor or a structure of tensors.
Function = Callable[[list[Any]], Any]


def check_backend() -> None:
    """Raises an error if the backend has no forward mode that is used here."""
    if keras.backend.backend() not in ("tensorflow", "jax"):
        raise ValueError(
            "Products with derivatives need the TensorFlow or the JAX backend. "
            f"Received: backend={keras.backend.backend()}"
        )


def jvp(function: Function, primals: list[Any], tangents: list[Any]) -> tuple[Any, Any]:
    """Returns `f(x)` and the product `J v` of its Jacobian at `x` (forward mode).

    Args:
        function: `f`.
        primals: `x`.
        tangents: `v`, shaped like `x`.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jvp(function, (primals,), (tangents,))
    import tensorflow as tf

    zero = tf.UnconnectedGradients.ZERO
    try:
        with tf.autodiff.ForwardAccumulator(primals, tangents) as accumulator:
            outputs = function(primals)
        return outputs, accumulator.jvp(outputs, unconnected_gradients=zero)
    except TypeError:
        # TensorFlow's forward mode has no loops, such as those of recurrent layers.
        # The derivative of J^T u by u, in reverse mode, gives the same product.
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(primals)
                outputs = function(primals)
            cotangents = tree.map_structure(tf.ones_like, outputs)
            outer.watch(cotangents)
            products = inner.gradient(outputs, primals, cotangents, zero)
            products = [tf.convert_to_tensor(product) for product in products]
        return outputs, outer.gradient(products, cotangents, tangents, zero)


def pullback(
    function: Function, primals: list[Any]
) -> tuple[Any, Callable[[Any], list[Any]]]:
    """Returns `f(x)`, and what multiplies `J^T` with as many `u` as there are.

    Args:
        function: `f`.
        primals: `x`.
    """
    if keras.backend.backend() == "jax":
        import jax

        outputs, pull = jax.vjp(function, primals)
        return outputs, lambda cotangents: pull(cotangents)[0]
    import tensorflow as tf

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(primals)
        outputs = function(primals)

    def product(cotangents: Any) -> list[Any]:
        zero = tf.UnconnectedGradients.ZERO
        products = tape.gradient(outputs, primals, cotangents, zero)
        # That of a table of embeddings comes as the rows that were looked up.
        return [tf.convert_to_tensor(product) for product in products]

    return outputs, product


def vjp(
    function: Function, primals: list[Any], cotangents: Any = None
) -> tuple[Any, list[Any]]:
    """Returns `f(x)` and the product `J^T u` of its Jacobian at `x` (reverse mode).

    Args:
        function: `f`.
        primals: `x`.
        cotangents: `u`, shaped like `f(x)`. Defaults to ones: the gradient of a scalar.
    """
    outputs, product = pullback(function, primals)
    if cotangents is None:
        cotangents = tree.map_structure(ops.ones_like, outputs)
    return outputs, product(cotangents)


def compiled(function: Callable[..., Any], arguments: list[Any]) -> Callable[..., Any]:
    """Compiles a function of tensors, once for all lengths of their first axes.

    Args:
        function: The function.
        arguments: Structures of tensors like those that it will be called with.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    signature = tree.map_structure(
        lambda tensor: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype), arguments
    )
    return tf.function(function, input_signature=signature)
