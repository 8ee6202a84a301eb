"""Tests of the search over initializers, on a part of scikit-learn's digits."""

import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import textwrap

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner import errors, oracles
from sklearn.datasets import load_digits

from keras_inits import InitializerHyperModel, Population, PopulationTuner
from keras_inits.population.batches import split_per_seed

ROOT = pathlib.Path(__file__).parents[1]
TIMEOUT = 100  # seconds; starting TensorFlow takes most of what is used

x, y = load_digits(return_X_y=True)
x, y = (x[:200] / 16).astype("float32"), y[:200]

GRID = [("he_normal", None), ("zer_o", None), ("lee_qr", 0.1), ("lee_qr", 1.0)]


def build(initializer, depth=1):
    hidden = [
        keras.layers.Dense(6, "relu", kernel_initializer=initializer)
        for _ in range(depth)
    ]
    layers = [keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def hypermodel(build=build):
    return InitializerHyperModel(build, ["he_normal", "zer_o", "lee_qr"], [0.1, 1.0])


def search(tuner, **fit):
    given = {"epochs": 2, "batch_size": 50, "validation_split": 0.2, "verbose": 0}
    tuner.search(x, y, **given | fit)
    return tuner


def point(values):
    return values["initializer"], values.get("epsilon")


def points(tuner):
    return [point(result["values"]) for result in tuner.results()]


class Fits(keras.callbacks.Callback):
    """Keeps how many members each population had, and for how many epochs."""

    seen: list = []

    def on_train_begin(self, logs=None):
        self.seen.append((len(self.model.members), self.params["epochs"]))


@pytest.fixture
def fits():
    Fits.seen.clear()
    return Fits


# InitializerHyperModel


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("he_normal", {"initializer"}),
        ("zer_o", {"initializer"}),
        ("rectangular_identity", {"initializer"}),
        ("lee_qr", {"initializer", "epsilon", "signs"}),
    ],
)
def test_arguments_are_hyperparameters_only_where_they_are_taken(name, expected):
    hp = keras_tuner.HyperParameters()
    names = ["he_normal", "zer_o", "rectangular_identity", "lee_qr"]
    made = InitializerHyperModel(build, names, signs=["householder", "gram_schmidt"])
    hp.Fixed("initializer", name)
    made.build(hp)
    active = {part.name for part in hp.space if hp.is_active(part)}
    assert active == set(hp.values) == expected


def test_the_values_reach_the_initializer():
    hp = keras_tuner.HyperParameters()
    hp.Fixed("epsilon", 0.5)
    hp.Fixed("signs", "gram_schmidt")
    made = InitializerHyperModel(build, ["lee_qr"], signs=["householder"])
    given = made.build(hp).layers[0].kernel_initializer
    assert (given.epsilon, given.signs) == (0.5, "gram_schmidt")


def test_epsilon_is_sampled_on_a_log_scale_between_its_ends():
    hp = keras_tuner.HyperParameters()
    InitializerHyperModel(build, ["lee_qr"], (1e-3, 10)).build(hp)
    (epsilon,) = (part for part in hp.space if part.name == "epsilon")
    assert (epsilon.min_value, epsilon.max_value) == (1e-3, 10)
    assert epsilon.sampling == "log"


def test_a_random_initializer_draws_another_kernel_for_each_layer():
    model = InitializerHyperModel(lambda i: build(i, depth=3), ["he_normal"]).build(
        keras_tuner.HyperParameters()
    )
    second, third = (layer.get_weights()[0] for layer in model.layers[1:3])
    assert not np.array_equal(second, third)


def test_build_may_take_hyperparameters_of_its_own():
    def own(initializer, hp):
        return build(initializer, hp.Int("depth", 3, 4))

    hp = keras_tuner.HyperParameters()
    model = InitializerHyperModel(own, ["lee_qr"]).build(hp)
    assert len(model.layers) == 4
    assert set(hp.values) == {"initializer", "epsilon", "depth"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initializers": ["lee_rq"]}, "Did you mean 'lee_qr'.*identifier=lee_rq"),
        ({"initializers": []}, r"`initializers` must be.*initializers=\[\]"),
        ({"initializers": "lee_qr"}, "`initializers` must be.*initializers='lee_qr'"),
        ({"epsilon": (1.0, 1e-4)}, "`epsilon` must be"),
        ({"epsilon": (0.0, 1.0)}, "`epsilon` must be"),
        ({"epsilon": (0.1, float("inf"))}, "`epsilon` must be"),
        ({"epsilon": [0.1, float("nan")]}, "`epsilon` must be"),
        ({"epsilon": [0.1, -1]}, r"`epsilon` must be.*epsilon=\[0.1, -1\]"),
        ({"epsilon": []}, "`epsilon` must be"),
        ({"epsilon": 0.1}, "`epsilon` must be.*epsilon=0.1"),
        ({"epsilon": "0.1"}, "`epsilon` must be"),
        ({"epsilon": ["a"]}, "`epsilon` must be"),
        ({"epsilon": None}, "`epsilon` must be"),
        ({"signs": ["houseolder"]}, "`signs` must be.*signs=houseolder"),
    ],
)
def test_bad_spaces_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        InitializerHyperModel(build, **{"initializers": ["lee_qr"], **arguments})


# PopulationTuner


@pytest.mark.parametrize(
    "argument",
    [{"seeds": 0}, {"seeds": [1, 1]}, {"seeds": []}, {"trials_together": 0}],
)
def test_bad_numbers_are_refused(argument, tmp_path):
    ((name, _),) = argument.items()
    with pytest.raises(ValueError, match=f"`{name}` must be.*Received: {name}="):
        PopulationTuner(
            oracles.GridSearchOracle("val_accuracy"),
            hypermodel(),
            directory=tmp_path,
            **argument,
        )


def grid_search(folder, trials_together=16):
    return PopulationTuner(
        oracles.GridSearchOracle("val_accuracy"),
        hypermodel(),
        seeds=[0, 3],
        trials_together=trials_together,
        directory=folder,
    )


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A finished grid search."""
    Fits.seen.clear()
    tuner = grid_search(tmp_path_factory.mktemp("grid"))
    return search(tuner, callbacks=[Fits()]), list(Fits.seen)


@pytest.fixture
def finished(grid):
    return grid[0]


def test_a_grid_is_tried_once_and_in_one_round(grid):
    tuner, fits = grid
    assert sorted(points(tuner), key=str) == sorted(GRID, key=str)
    assert fits == [(2 * len(GRID), 2)]


def test_a_trial_has_one_value_a_seed_and_its_score_is_their_mean(finished):
    for trial in finished.oracle.trials.values():
        assert trial.status == "COMPLETED"
        assert trial.metrics.metrics.keys() == {
            "loss",
            "accuracy",
            "val_loss",
            "val_accuracy",
        }
        for name in trial.metrics.metrics:
            (observation,) = trial.metrics.get_history(name)
            assert (len(observation.value), observation.step) == (2, 1)
        (observation,) = trial.metrics.get_history("val_accuracy")
        assert trial.score == pytest.approx(statistics.fmean(observation.value))


def test_results_are_sorted_and_have_the_values_of_every_seed(finished):
    results = finished.results()
    means = [result["mean"] for result in results]
    assert means == sorted(means, reverse=True) and len(set(means)) > 1
    for result in results:
        trial = finished.oracle.get_trial(result["trial_id"])
        assert list(result["scores"]) == [0, 3]
        assert result["mean"] == pytest.approx(trial.score)
        one, other = result["scores"].values()
        assert result["sd"] == pytest.approx(abs(one - other) / 2**0.5)


def test_results_summary_prints_the_best_trials(finished, capsys):
    finished.results_summary(2)
    printed = capsys.readouterr().out
    best, second = finished.results()[:2]
    assert printed.count("Score: ") == 2
    assert printed.index(f"Score: {best['mean']}") < printed.index(
        f"Score: {second['mean']}"
    )


def test_the_best_model_has_the_accuracy_that_is_stored_of_its_seed(finished):
    scores = finished.results()[0]["scores"]
    seed = max(scores, key=scores.get)
    _, held_out = split_per_seed(len(x), [seed], 0.2)
    (model,) = finished.get_best_models()
    _, accuracy = model.evaluate(x[held_out[0]], y[held_out[0]], verbose=0)
    assert accuracy == pytest.approx(scores[seed])


def test_a_trial_is_a_plain_population_of_its_members(finished):
    members = [{"initializer": "he_normal", "seed": seed} for seed in (0, 3)]
    population = Population(build, members)
    population.fit(x, y, 50, 2, data_order="seed", validation_split=0.2, verbose=0)
    (trial,) = (
        trial
        for trial in finished.oracle.trials.values()
        if trial.hyperparameters.values["initializer"] == "he_normal"
    )
    for name, values in population.member_logs.items():
        (observation,) = trial.metrics.get_history(name)
        np.testing.assert_allclose(observation.value, values[-1], rtol=1e-5)


def test_a_finished_search_trains_nothing_more(finished, fits):
    again = search(grid_search(finished.directory), callbacks=[fits()])
    assert fits.seen == []
    assert again.results() == finished.results()


def test_a_search_of_other_seeds_is_not_taken_up(finished):
    oracle = oracles.GridSearchOracle("val_accuracy")
    with pytest.raises(ValueError, match=r"\[0, 3\].*Received: seeds=\[0, 1, 2\]"):
        PopulationTuner(oracle, hypermodel(), seeds=3, directory=finished.directory)


def test_the_bayesian_oracle_gets_its_trials(tmp_path, fits):
    oracle = oracles.BayesianOptimizationOracle(
        "val_loss", 4, num_initial_points=2, seed=1
    )
    names = InitializerHyperModel(build, ["he_normal", "lee_qr"], (1e-3, 1.0))
    tuner = PopulationTuner(oracle, names, 2, trials_together=3, directory=tmp_path)
    results = search(tuner, callbacks=[fits()]).results()
    assert fits.seen == [(6, 2), (2, 2)]
    assert len(results) == 4
    sampled = [r["values"]["epsilon"] for r in results if "epsilon" in r["values"]]
    assert sampled and all(1e-3 <= value <= 1 for value in sampled)


def test_hyperband_trains_each_round_for_its_epochs(tmp_path, fits):
    oracle = oracles.HyperbandOracle("val_accuracy", max_epochs=3, factor=3, seed=1)
    names = InitializerHyperModel(build, ["he_normal", "lee_qr"], (1e-3, 1.0))
    tuner = search(
        PopulationTuner(oracle, names, seeds=2, directory=tmp_path), callbacks=[fits()]
    )
    assert {epochs for _, epochs in fits.seen} == {1, 3}
    done = []
    for trial in oracle.trials.values():
        epochs = trial.hyperparameters.values["tuner/epochs"]
        (observation,) = trial.metrics.get_history("val_accuracy")
        assert (len(observation.value), observation.step) == (2, epochs - 1)
        done.append(epochs)
    # What is promoted is tried again, now for longer.
    promoted = [
        trial
        for trial in oracle.trials.values()
        if "tuner/trial_id" in trial.hyperparameters.values
    ]
    assert promoted and sorted({*done}) == [1, 3]
    assert sum(members for members, _ in fits.seen) == 2 * len(oracle.trials)
    assert {result["values"]["tuner/epochs"] for result in tuner.results()} == {1, 3}


def test_trials_of_different_networks_are_trained_apart(tmp_path, fits):
    def own(initializer, hp):
        return build(initializer, hp.Choice("depth", [1, 2]))

    oracle = oracles.GridSearchOracle("val_accuracy")
    names = InitializerHyperModel(own, ["zer_o", "rectangular_identity"])
    tuner = PopulationTuner(oracle, names, seeds=2, directory=tmp_path)
    search(tuner, callbacks=[fits()])
    assert fits.seen == [(4, 2), (4, 2)]
    tried = {
        (r["values"]["initializer"], r["values"]["depth"]) for r in tuner.results()
    }
    assert len(tried) == len(tuner.results()) == 4


def test_seeds_of_any_hypermodel_are_trained_together(tmp_path, fits):
    oracle = oracles.RandomSearchOracle("val_loss", 1, seed=1)
    tuner = PopulationTuner(
        oracle,
        lambda hp: build("he_normal", hp.Choice("depth", [1, 2])),
        seeds=3,
        directory=tmp_path,
    )
    search(tuner, callbacks=[fits()])
    assert fits.seen == [(3, 2)]
    assert list(tuner.results()[0]["scores"]) == [0, 1, 2]


def test_several_objectives_are_added_up(tmp_path):
    oracle = oracles.RandomSearchOracle(["val_loss", "val_accuracy"], 1, seed=1)
    tuner = PopulationTuner(oracle, hypermodel(), seeds=2, directory=tmp_path)
    (result,) = search(tuner).results()
    (trial,) = oracle.trials.values()
    losses, accuracies = (
        trial.metrics.get_history(name)[0].value
        for name in oracle.objective.name_to_direction
    )
    expected = [
        loss - accuracy for loss, accuracy in zip(losses, accuracies, strict=True)
    ]
    assert list(result["scores"].values()) == pytest.approx(expected)


def test_an_objective_that_is_not_logged_ends_the_search(tmp_path):
    oracle = oracles.GridSearchOracle(keras_tuner.Objective("val_auc", "max"))
    names = InitializerHyperModel(build, ["zer_o"])
    tuner = PopulationTuner(oracle, names, seeds=1, directory=tmp_path)
    with pytest.raises(errors.FatalValueError, match="val_accuracy.*val_auc"):
        search(tuner)


def test_a_trial_that_fails_leaves_the_others_alone(tmp_path, recwarn):
    def fussy(initializer):
        if initializer.epsilon == 1.0:
            raise ValueError("I do not like this one.")
        return build(initializer)

    oracle = oracles.GridSearchOracle("val_accuracy")
    names = InitializerHyperModel(fussy, ["lee_qr"], [0.1, 1.0])
    tuner = search(PopulationTuner(oracle, names, seeds=2, directory=tmp_path))
    assert points(tuner) == [("lee_qr", 0.1)]
    (failed,) = (t for t in oracle.trials.values() if t.status == "FAILED")
    assert point(failed.hyperparameters.values) == ("lee_qr", 1.0)
    assert "I do not like this one" in failed.message
    (told,) = (str(w.message) for w in recwarn if w.category is UserWarning)
    assert "'epsilon': 1.0" in told and "I do not like this one" in told


def test_a_search_in_which_all_fails_ends_with_the_reason(tmp_path, recwarn):
    def broken(initializer):
        if searching:
            raise ValueError("No model today.")
        return build(initializer)

    searching = False
    names = InitializerHyperModel(broken, ["lee_qr"], [0.1, 0.2, 0.3, 0.4])
    oracle = oracles.GridSearchOracle("val_accuracy")
    tuner = PopulationTuner(oracle, names, seeds=1, directory=tmp_path)
    searching = True
    with pytest.raises(RuntimeError, match="No model today"):
        search(tuner)


# Processes


def python(code, **environment):
    """Starts a process that has this file's search as `tuning`."""
    head = f"""
        import importlib.util, os, signal, sys
        spec = importlib.util.spec_from_file_location("tuning", {__file__!r})
        tuning = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tuning)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_search_that_was_killed_goes_on_where_it_stopped(tmp_path, finished, fits):
    killed = python(
        """
        class Kill(tuning.keras.callbacks.Callback):
            fits = 0

            def on_train_begin(self, logs=None):
                type(self).fits += 1

            def on_train_end(self, logs=None):
                if self.fits == 2:
                    os.kill(os.getpid(), signal.SIGKILL)

        tuner = tuning.grid_search(os.environ["FOLDER"], trials_together=2)
        tuning.search(tuner, callbacks=[Kill()])
        """,
        FOLDER=str(tmp_path),
    )
    _, errors = killed.communicate(timeout=TIMEOUT)
    assert killed.returncode == -signal.SIGKILL, errors

    resumed = grid_search(tmp_path, trials_together=2)
    before = resumed.results()
    assert len(before) == 2
    search(resumed, callbacks=[fits()])
    assert fits.seen == [(4, 2)]
    assert all(result in resumed.results() for result in before)
    # Nor does it matter which trials are trained together.
    assert losses(resumed) == {
        at: pytest.approx(values, rel=1e-5) for at, values in losses(finished).items()
    }


def losses(tuner):
    return {
        point(trial.hyperparameters.values): trial.metrics.get_history("loss")[0].value
        for trial in tuner.oracle.trials.values()
    }


def test_a_trial_that_was_stopped_while_it_reported_reports_anew(tmp_path):
    tuner = grid_search(tmp_path)
    trial = tuner.oracle.create_trial("tuner0-0")
    logged = {"val_accuracy": 0.5, "loss": 1.0}
    tuner.oracle.update_trial(trial.trial_id, logged, step=1)
    tuner.save()
    resumed = search(grid_search(tmp_path))
    assert sorted(points(resumed), key=str) == sorted(GRID, key=str)
    assert {len(values) for values in losses(resumed).values()} == {2}


def test_a_chief_and_a_worker_share_a_search(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = """
        oracle = tuning.oracles.RandomSearchOracle("val_accuracy", 4, seed=1)
        tuner = tuning.PopulationTuner(
            oracle,
            tuning.hypermodel(),
            seeds=2,
            trials_together=4,  # else the chief sees idle slots off, 20 s at a time
            directory=os.environ["FOLDER"],
        )
        tuning.search(tuner, callbacks=[tuning.Fits()])
        print("fits:", tuning.Fits.seen)
        if tuner.tuner_id == "chief":
            print("scores:", [len(r["scores"]) for r in tuner.results()])
    """
    shared = {
        "FOLDER": str(tmp_path),
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    chief = python(code, KERASTUNER_TUNER_ID="chief", **shared)
    worker = python(code, KERASTUNER_TUNER_ID="worker", **shared)
    try:
        by_worker = worker.communicate(timeout=TIMEOUT)
        by_chief = chief.communicate(timeout=TIMEOUT)
    finally:
        chief.kill()
        worker.kill()
    assert worker.returncode == chief.returncode == 0, by_worker[1] + by_chief[1]
    assert "fits: [(8, 2)]" in by_worker[0]
    assert "fits: []" in by_chief[0]
    assert "scores: [2, 2, 2, 2]" in by_chief[0]
