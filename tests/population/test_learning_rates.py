import keras
import numpy as np
import pytest

from keras_inits import Population
from keras_inits.population import MemberLearningRates

RATES = (0.001, 0.01, 0.3)


def build():
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1)]
    )


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.Adam])
def test_members_end_as_alone(optimizer):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3)), rng.normal(size=(32, 1))
    population = Population(build, [{"seed": seed} for seed in range(len(RATES))])
    alone = [population.member(i) for i in range(len(RATES))]
    population.compile(optimizer(MemberLearningRates(RATES)), "mse")
    population.fit(x, y, 8, epochs=3, shuffle=False, verbose=0)
    for place, (model, rate) in enumerate(zip(alone, RATES, strict=True)):
        model.compile(optimizer(rate), "mse")
        model.fit(x, y, 8, epochs=3, shuffle=False, verbose=0)
        for one, other in zip(
            model.get_weights(), population.member(place).get_weights(), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_config_makes_another():
    rates = MemberLearningRates(RATES)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(rates)
    )
    assert again.rates == list(RATES)
    with again.by_member():
        assert tuple(again(0).shape) == (3, 1)
    assert float(again(0)) == pytest.approx(np.mean(RATES))


@pytest.mark.parametrize("rates", [[], [0.1, -1.0], [float("nan")]])
def test_bad_rates(rates):
    with pytest.raises(ValueError, match=r"finite numbers.*Received: rates="):
        MemberLearningRates(rates)
