"""RectangularIdentity hands its input on, whatever the shape."""

import keras
import numpy as np
import pytest

from keras_inits import RectangularIdentity


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (1, 4), (7, 1)])
def test_ones_on_the_main_diagonal(shape):
    ours = keras.ops.convert_to_numpy(RectangularIdentity(gain=2)(shape))
    np.testing.assert_array_equal(ours, 2 * np.eye(*shape))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_convolution_hands_the_image_on(rank, size):
    convolution = getattr(keras.layers, f"Conv{rank}D")
    layer = convolution(
        4, size, padding="same", kernel_initializer="rectangular_identity"
    )
    image = np.random.default_rng(0).normal(size=(1, *[6] * rank, 3)).astype("f4")
    output = keras.ops.convert_to_numpy(layer(image))
    np.testing.assert_array_equal(output[..., :3], image)
    np.testing.assert_array_equal(output[..., 3], 0)


@pytest.mark.parametrize("gain", [np.nan, np.inf, "1", None, False])
def test_gain_must_be_finite_and_real(gain):
    with pytest.raises(ValueError, match="`gain` must be a finite number. Received: g"):
        RectangularIdentity(gain=gain)
