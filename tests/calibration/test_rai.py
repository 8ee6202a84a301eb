import keras
import numpy as np

from keras_inits import calibration


def test_the_joint_draw_of_a_model():
    model = keras.Sequential(
        [
            keras.Input((24,)),
            keras.layers.Dense(4000, "relu"),
            keras.layers.Reshape((4000, 1, 1)),
            keras.layers.Conv2D(2000, (2, 1), padding="same", strides=4000),
        ]
    )
    calibration.rai(model, seed=0)
    for layer, inputs in ((model.layers[0], 24), (model.layers[2], 2)):
        kernel, bias = layer.get_weights()
        joint = np.vstack([kernel.reshape(inputs, -1), bias])
        units = joint.shape[1]
        if inputs == 24:
            # The Beta entry is above 0.5 in 3 of 4 units, and a normal one in one of
            # 20,000: where there is one, it is the bias once in 25 times. Six standard
            # deviations of a count.
            high = joint > 0.5
            share = high[-1].sum() / high.sum()
            assert abs(share - 1 / 25) < 6 * np.sqrt(1 / 25 / high.sum())
            assert abs(high.any(axis=0).mean() - 0.75) < 6 * np.sqrt(0.1875 / units)
            # Beta entries are positive: the negative ones are half a normal draw.
            negative = joint[joint < 0]
            sd = np.sqrt(np.mean(negative**2))
            assert abs(sd * np.sqrt(inputs) / 0.6007 - 1) < 6 / np.sqrt(negative.size)
        # E[sum of all entries] = E[Beta(2, 1)] = 2/3.
        sums = joint.sum(axis=0)
        assert abs(sums.mean() - 2 / 3) < 6 * sums.std() / np.sqrt(units)
        # Var of the sum: `inputs` normal entries and Beta(2, 1), whose variance is
        # 1/18; 12 % are more than six of its standard deviations.
        assert abs(sums.var() / (0.6007**2 + 1 / 18) - 1) < 0.12


def test_a_layer_without_bias_gets_the_same_kernel(dense):
    with_bias, without = dense(5, 3), dense(5, 3, use_bias=False)
    calibration.rai(with_bias, seed=4)
    calibration.rai(without, seed=4)
    for a, b in zip(with_bias.layers, without.layers, strict=True):
        np.testing.assert_array_equal(a.get_weights()[0], b.get_weights()[0])
