"""What would change a network that will not train, and what is near a limit."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

import keras_inits

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
TARGETS = np.eye(10, dtype="float32")[Y]


def sigmoids():
    hidden = [layers.Dense(32, "sigmoid") for _ in range(2)]
    last = layers.Dense(10, "sigmoid")
    return keras.Sequential([keras.Input((64,)), *hidden, last])


def test_scaling_is_named_where_it_is_the_cure():
    def build():
        keras.utils.set_random_seed(0)
        hidden = [layers.Dense(32, "relu") for _ in range(2)]
        last = layers.Dense(10, "softmax")
        model = keras.Sequential([keras.Input((64,)), *hidden, last])
        rate = keras.optimizers.SGD(0.05)
        model.compile(rate, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    diagnosis = keras_inits.diagnose(build(), 255 * X, Y)
    assert not diagnosis.will_train
    scaled, *others = diagnosis.alternatives
    assert scaled.inputs == "mean 0 and sd 1" and scaled.will_train
    assert others and not any(o.inputs or o.will_train for o in others)
    assert "with inputs of mean 0 and sd 1 the gain is" in str(diagnosis)
    # It is so: that is what training shows.
    standard = (X - X.mean(0)) / np.where(X.std(0) > 0, X.std(0), 1)
    accuracies = [
        build().fit(x, Y, epochs=4, verbose=0).history["accuracy"][-1]
        for x in (255 * X, standard)
    ]
    assert accuracies[0] < 0.4 and accuracies[1] > 0.8


def test_inputs_of_about_1_are_not_scaled():
    model = sigmoids()
    model.compile(keras.optimizers.SGD(1e-9), "mse")
    diagnosis = keras_inits.diagnose(model, X, TARGETS)
    assert diagnosis.alternatives
    assert not any(alternative.inputs for alternative in diagnosis.alternatives)


@pytest.mark.parametrize("activation", ["silu", "mish", "softplus"])
def test_where_nothing_is_known_usual_initializers_are_measured(activation):
    dense = [layers.Dense(8, activation, kernel_initializer="zeros") for _ in range(3)]
    last = layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((64,)), *dense, last])
    rate = keras.optimizers.SGD(1e-5)
    model.compile(rate, "sparse_categorical_crossentropy")
    diagnosis = keras_inits.diagnose(model, X, Y)
    assert not diagnosis.will_train
    names = [alternative.initializer for alternative in diagnosis.alternatives]
    assert names == ["he_normal", "glorot_uniform", "orthogonal"]
    known = f"No initializer is known to be made for {activation}: usual ones"
    assert known in str(diagnosis)


def test_an_output_that_is_flat_is_named():
    last = layers.Dense(1, "relu", bias_initializer=keras.initializers.Constant(-1e3))
    model = keras.Sequential([keras.Input((64,)), layers.Dense(8, "tanh"), last])
    model.compile("adam", "mse")
    diagnosis = keras_inits.diagnose(model, X, X.sum(axis=1, keepdims=True))
    assert "the output is the same for all samples: its activation is flat there" in (
        diagnosis.issues
    )


def test_near_the_limit_a_diagnosis_is_uncertain_and_says_of_what():
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(32, "relu", kernel_initializer="he_normal")
    last = layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((64,)), hidden, last])
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    diagnosis = keras_inits.diagnose(model, X, Y, advice=False)
    assert diagnosis.will_train and not diagnosis.uncertain
    assert "200 steps of training, on a copy, take the loss from" in str(diagnosis)
    found = {rate: diagnosis.at(rate) for rate in np.geomspace(1e-5, 1e-2, 13)}
    uncertain = [rate for rate, at in found.items() if at.uncertain]
    sure = {rate: at.will_train for rate, at in found.items() if not at.uncertain}
    surely = [rate for rate, will_train in sure.items() if will_train]
    never = [rate for rate, will_train in sure.items() if not will_train]
    assert max(never) < min(uncertain) <= max(uncertain) < min(surely)
    for rate in uncertain:
        at = found[rate]
        likely = "will" if at.will_train else "will not"
        said = f"may train or not (uncertain: {at.uncertain}); likelier it {likely}."
        assert said in str(at)
        assert at.to_dict()["uncertain"] == at.uncertain
    # Not sooner than training does.
    for rate in (max(never), min(surely)):
        keras.utils.set_random_seed(0)
        model.set_weights(diagnosis._measured.start)
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
        accuracy = model.fit(X, Y, epochs=18, verbose=0).history["accuracy"][-1]
        assert (accuracy > 0.5) == (rate == min(surely))
