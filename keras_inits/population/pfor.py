"""What TensorFlow's parallel for lacks: how to map `Bitcast`."""

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor


def register() -> None:
    """Teaches `tf.vectorized_map` to map `Bitcast`, unless it knows how to.

    Keras' `argmax` has one, and so has every accuracy. TensorFlow would map it by a
    loop over the members, and warn of it in each trace.
    """
    if "Bitcast" not in pfor._pfor_converter_registry:
        pfor.RegisterPFor("Bitcast")(_bitcast)


def _bitcast(pfor_input: pfor._PforInput) -> pfor.WrappedTensor:
    values = pfor_input.stacked_input(0)
    return pfor.wrap(tf.bitcast(values, pfor_input.get_attr("type")), True)
