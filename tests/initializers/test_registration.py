"""Names resolve to fresh initializers, and wrong names are answered helpfully."""

import keras
import pytest
from keras.src.utils.naming import to_snake_case

import keras_inits
from keras_inits.initializers import registration


@pytest.mark.parametrize(
    "name",
    "LeeQR ZerO RAI GSM RandomEP OrthoEP YilmazPoli SkorskiNormal RectangularIdentity "
    "Lecun98Uniform".split(),
)
def test_names_are_spelt_as_keras_spells_them(name):
    assert registration._to_snake_case(name) == to_snake_case(name)


def test_available_is_sorted_and_the_users_own():
    names = keras_inits.available()
    assert {"lee_qr", "rectangular_identity", "zer_o"} <= set(names)
    assert names == sorted(names)
    names.clear()
    assert keras_inits.available()


@pytest.mark.parametrize("name", ["lee_qr", "LeeQR", "keras_inits>LeeQR"])
@pytest.mark.parametrize("get", [keras_inits.get, keras.initializers.get])
def test_every_spelling_gives_a_fresh_instance(get, name):
    first, second = get(name), get(name)
    assert type(first) is keras_inits.LeeQR
    assert first is not second


def test_get_takes_what_keras_takes():
    initializer = keras_inits.LeeQR(epsilon=0.5)
    assert keras_inits.get(initializer) is initializer
    assert type(keras_inits.get(keras_inits.ZerO)) is keras_inits.ZerO
    assert type(keras_inits.get("he_normal")) is keras.initializers.HeNormal
    assert type(keras_inits.get("zero")) is keras.initializers.Zeros
    for config in (
        keras.initializers.serialize(initializer),
        {"class_name": "LeeQR", "config": {"epsilon": 0.5}},
    ):
        assert keras_inits.get(config).epsilon == 0.5


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("lee_rq", "'lee_qr'"),
        ("LeQR", "'lee_qr'"),
        ("zero_", "'zer_o'"),
        ("he_norml", "'he_normal'"),
        ("GlorotUnifrom", "'glorot_uniform'"),
    ],
)
def test_a_misspelt_name_suggests_the_near_ones(misspelt, meant):
    with pytest.raises(ValueError, match=f"Received: identifier={misspelt}") as error:
        keras_inits.get(misspelt)
    assert meant in str(error.value)


def test_a_name_like_no_other_lists_them_all():
    with pytest.raises(ValueError, match=r"Accepted: .*lee_qr.*zer_o.*he_normal"):
        keras_inits.get("xyzzy")


@pytest.mark.parametrize("identifier", [None, 3, {}, ["lee_qr"]])
def test_what_is_no_initializer_is_refused(identifier):
    with pytest.raises(ValueError):
        keras_inits.get(identifier)


@pytest.mark.parametrize("name", ["Ones", "Normal", "Zero", "GlorotUniform"])
def test_a_name_of_keras_is_refused(name):
    with pytest.raises(ValueError, match=f"Received: cls={name}"):
        registration.register(type(name, (keras.initializers.Initializer,), {}))
    assert not keras.saving.get_custom_objects().keys() & {name, name.lower()}


def test_a_new_class_gets_all_its_names_and_may_be_reloaded():
    known = dict(keras.saving.get_custom_objects())
    try:
        for _ in range(2):
            new = registration.register(
                type("NewOne", (keras.initializers.Initializer,), {})
            )
            for name in ("NewOne", "new_one", "keras_inits>NewOne"):
                assert type(keras.initializers.get(name)) is new
        assert "new_one" in keras_inits.available()
    finally:
        registration._names.discard("new_one")
        keras.saving.get_custom_objects().clear()
        keras.saving.get_custom_objects().update(known)
