"""Arguments of the tuner, and trials that fail."""

import keras
import numpy as np
import pytest
from keras_tuner import errors, oracles

from keras_inits import InitializerHyperModel, Population, PopulationTuner


@pytest.mark.parametrize(
    "argument",
    [{"seeds": 0}, {"seeds": [1, 1]}, {"seeds": []}, {"trials_together": 0}],
)
def test_bad_numbers_are_refused(argument, tmp_path, digits):
    ((name, _),) = argument.items()
    with pytest.raises(ValueError, match=f"`{name}` must be.*Received: {name}="):
        PopulationTuner(
            oracles.GridSearchOracle("val_accuracy"),
            digits.hypermodel(),
            directory=tmp_path,
            **argument,
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"executions_per_trial": 7}, "`seeds=7` for 7.*executions_per_trial=7"),
        ({"distribution_strategy": "mirrored"}, "one device.*=mirrored"),
        ({"max_modelsize": 10}, "Unrecognized arguments.*max_modelsize"),
        ({"hypermodel": None}, "hypermodel=None"),
    ],
)
def test_what_is_not_taken_is_refused(arguments, message, tmp_path, digits):
    given = {"hypermodel": digits.hypermodel(), "directory": tmp_path, **arguments}
    with pytest.raises(ValueError, match=message):
        PopulationTuner(oracles.GridSearchOracle("val_accuracy"), **given)


def failures(warnings):
    """Returns what was told of trials that failed."""
    messages = [str(warning.message) for warning in warnings]
    return [message for message in messages if message.startswith("Trial ")]


def one_trial(folder, build, objective="val_loss", **kwargs):
    """Returns a tuner for one trial of two seeds."""
    oracle = oracles.GridSearchOracle(objective)
    names = InitializerHyperModel(build, ["he_normal"])
    return PopulationTuner(oracle, names, seeds=2, directory=folder, **kwargs)


def test_what_is_too_large_fails_before_it_is_trained(tmp_path, digits, fits, recwarn):
    size = digits.build("zer_o").count_params()
    for limit, status in ((size, "COMPLETED"), (size - 1, "FAILED")):
        fits.seen.clear()
        tuner = one_trial(
            tmp_path, digits.build, max_model_size=limit, project_name=status
        )
        digits.search(tuner, callbacks=[fits()])
        (trial,) = tuner.oracle.trials.values()
        assert trial.status == status
        assert len(fits.seen) == (status == "COMPLETED")
    for message in (trial.message, *failures(recwarn)):
        assert f"Oversized model: {size} parameters" in message


def bare(initializer):
    """A network that is not compiled."""
    layer = keras.layers.Dense(10, "softmax", kernel_initializer=initializer)
    return keras.Sequential([keras.Input((64,)), layer])


def weighted(initializer):
    model = bare(initializer)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile("adam", loss, weighted_metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    ("build", "given"),
    [
        (
            bare,
            {
                "optimizer": "sgd",
                "loss": "sparse_categorical_crossentropy",
                "metrics": ["accuracy"],
            },
        ),
        # What is not given is the model's own.
        (weighted, {"optimizer": keras.optimizers.SGD(0.01)}),
    ],
)
def test_models_are_compiled_by_the_arguments(build, given, tmp_path, digits):
    def expected(initializer):
        model = bare(initializer)
        loss = "sparse_categorical_crossentropy"
        model.compile("sgd", loss, weighted_metrics=["accuracy"])
        return model

    tuner = digits.search(one_trial(tmp_path, build, **given))
    members = [{"initializer": "he_normal", "seed": seed} for seed in (0, 1)]
    population = Population(expected, members)
    population.fit(
        digits.x,
        digits.y,
        50,
        2,
        data_order="seed",
        validation_split=0.2,
        verbose=0,
    )
    (result,) = tuner.results()
    assert result["metrics"].keys() == population.member_logs.keys()
    for name, values in population.member_logs.items():
        own = list(result["metrics"][name].values())
        np.testing.assert_allclose(own, values[-1], rtol=1e-5)


def test_a_hypermodel_may_choose_how_it_is_trained(tmp_path, digits):
    sizes = []

    class Batches(InitializerHyperModel):
        def fit(self, hp, model, *args, **kwargs):
            sizes.append(hp.Choice("batch_size", [20, 100]))
            kwargs["batch_size"] = sizes[-1]
            return model.fit(*args, **kwargs)

    oracle = oracles.GridSearchOracle("val_loss")
    names = Batches(digits.build, ["he_normal"])
    tuner = PopulationTuner(oracle, names, seeds=2, directory=tmp_path)
    results = digits.search(tuner).results()
    assert len(results) == 2
    assert sorted(sizes) == [20, 100]


def test_a_hypermodel_must_return_the_results_of_every_seed(tmp_path, digits):
    class Mean(InitializerHyperModel):
        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, **kwargs).history["val_loss"][-1]

    oracle = oracles.GridSearchOracle("val_loss")
    names = Mean(digits.build, ["he_normal"])
    tuner = PopulationTuner(oracle, names, seeds=2, directory=tmp_path)
    with pytest.raises(errors.FatalTypeError, match="`HyperModel.fit` must return"):
        digits.search(tuner)


def test_a_trial_that_fails_leaves_the_others_alone(tmp_path, recwarn, digits):
    def fussy(initializer):
        if initializer.epsilon == 1.0:
            raise ValueError("I do not like this one.")
        return digits.build(initializer)

    oracle = oracles.GridSearchOracle("val_accuracy")
    names = InitializerHyperModel(fussy, ["lee_qr"], [0.1, 1.0])
    tuner = digits.search(PopulationTuner(oracle, names, seeds=2, directory=tmp_path))
    assert digits.points(tuner) == [("lee_qr", 0.1)]
    (failed,) = (t for t in oracle.trials.values() if t.status == "FAILED")
    assert failed.hyperparameters.values["epsilon"] == 1.0
    assert "I do not like this one" in failed.message
    (told,) = failures(recwarn)
    assert "'epsilon': 1.0" in told and "I do not like this one" in told


def test_a_search_in_which_all_fails_ends_with_the_reason(tmp_path, recwarn, digits):
    def broken(initializer):
        if searching:
            raise ValueError("No model today.")
        return digits.build(initializer)

    searching = False
    names = InitializerHyperModel(broken, ["lee_qr"], [0.1, 0.2, 0.3, 0.4])
    oracle = oracles.GridSearchOracle("val_accuracy")
    tuner = PopulationTuner(oracle, names, seeds=1, directory=tmp_path)
    searching = True
    with pytest.raises(RuntimeError, match="No model today"):
        digits.search(tuner)


def test_a_trial_is_tried_again_as_often_as_the_oracle_says(tmp_path, digits, recwarn):
    oracle = oracles.GridSearchOracle("val_accuracy", max_retries_per_trial=2)
    built = []

    def flaky(initializer):
        built.append(initializer)
        if 1 < len(built) < 4:  # After the tuner has seen the search space.
            raise RuntimeError("Not now.")
        return digits.build(initializer)

    names = InitializerHyperModel(flaky, ["he_normal"])
    tuner = PopulationTuner(oracle, names, seeds=1, directory=tmp_path)
    digits.search(tuner)
    (trial,) = oracle.trials.values()
    assert trial.status == "COMPLETED"
    assert all("Not now." in message for message in failures(recwarn))
    assert len(built) > 4


def test_a_model_that_is_none_ends_the_search(tmp_path, digits):
    tuner = one_trial(tmp_path, lambda initializer: None)
    with pytest.raises(errors.FatalTypeError, match="Received: None"):
        digits.search(tuner)


def test_an_objective_that_is_nan_is_named(tmp_path, digits, recwarn):
    tuner = one_trial(tmp_path, digits.build)
    digits.search(tuner, sample_weight=np.full(len(digits.x), np.nan))
    (trial,) = tuner.oracle.trials.values()
    assert trial.status == "FAILED"
    assert trial.message == "The objective val_loss is NaN under seeds [0, 1]."
    assert failures(recwarn)[0].endswith(trial.message)
    assert tuner.results() == []
