"""What a search trains, and what it keeps of it."""

import statistics

import numpy as np
import pytest
from keras_tuner import oracles

from keras_inits import InitializerHyperModel, Population, PopulationTuner
from keras_inits.population.batches import split_per_seed


def test_a_grid_is_tried_once_and_in_one_round(grid, digits):
    tuner, fits = grid
    assert digits.points(tuner) == digits.grid
    assert fits == [(2 * len(digits.grid), 2)]


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


def test_the_best_model_has_the_accuracy_that_is_stored_of_its_seed(finished, digits):
    scores = finished.results()[0]["scores"]
    seed = max(scores, key=scores.get)
    _, held_out = split_per_seed(len(digits.x), [seed], 0.2)
    (model,) = finished.get_best_models()
    _, accuracy = model.evaluate(
        digits.x[held_out[0]], digits.y[held_out[0]], verbose=0
    )
    assert accuracy == pytest.approx(scores[seed])


def test_a_trial_is_a_plain_population_of_its_members(finished, digits):
    members = [{"initializer": "he_normal", "seed": seed} for seed in (0, 3)]
    population = Population(digits.build, members)
    population.fit(
        digits.x, digits.y, 50, 2, data_order="seed", validation_split=0.2, verbose=0
    )
    (trial,) = (
        trial
        for trial in finished.oracle.trials.values()
        if trial.hyperparameters.values["initializer"] == "he_normal"
    )
    for name, values in population.member_logs.items():
        (observation,) = trial.metrics.get_history(name)
        np.testing.assert_allclose(observation.value, values[-1], rtol=1e-5)


def test_a_finished_search_trains_nothing_more(finished, fits, digits):
    again = digits.search(digits.grid_search(finished.directory), callbacks=[fits()])
    assert fits.seen == []
    assert again.results() == finished.results()


def test_a_search_of_other_seeds_is_not_taken_up(finished, digits):
    oracle = oracles.GridSearchOracle("val_accuracy")
    with pytest.raises(ValueError, match=r"\[0, 3\].*Received: seeds=\[0, 1, 2\]"):
        PopulationTuner(
            oracle, digits.hypermodel(), seeds=3, directory=finished.directory
        )


def test_the_bayesian_oracle_gets_its_trials(tmp_path, fits, digits):
    oracle = oracles.BayesianOptimizationOracle(
        "val_loss", 4, num_initial_points=2, seed=1
    )
    names = InitializerHyperModel(digits.build, ["he_normal", "lee_qr"], (1e-3, 1.0))
    tuner = PopulationTuner(oracle, names, 2, trials_together=3, directory=tmp_path)
    results = digits.search(tuner, callbacks=[fits()]).results()
    assert fits.seen == [(6, 2), (2, 2)]
    assert len(results) == 4
    sampled = [r["values"]["epsilon"] for r in results if "epsilon" in r["values"]]
    assert sampled and all(1e-3 <= value <= 1 for value in sampled)


def test_hyperband_trains_each_round_for_its_epochs(tmp_path, fits, digits):
    oracle = oracles.HyperbandOracle("val_accuracy", max_epochs=3, factor=3, seed=1)
    names = InitializerHyperModel(digits.build, ["he_normal", "lee_qr"], (1e-3, 1.0))
    tuner = digits.search(
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


def test_trials_of_different_networks_are_trained_apart(tmp_path, fits, digits):
    def own(initializer, hp):
        return digits.build(initializer, hp.Choice("depth", [1, 2]))

    oracle = oracles.GridSearchOracle("val_accuracy")
    names = InitializerHyperModel(own, ["zer_o", "rectangular_identity"])
    tuner = PopulationTuner(oracle, names, seeds=2, directory=tmp_path)
    digits.search(tuner, callbacks=[fits()])
    assert fits.seen == [(4, 2), (4, 2)]
    tried = {
        (r["values"]["initializer"], r["values"]["depth"]) for r in tuner.results()
    }
    assert len(tried) == len(tuner.results()) == 4


def test_seeds_of_any_hypermodel_are_trained_together(tmp_path, fits, digits):
    oracle = oracles.RandomSearchOracle("val_loss", 1, seed=1)
    tuner = PopulationTuner(
        oracle,
        lambda hp: digits.build("he_normal", hp.Choice("depth", [1, 2])),
        seeds=3,
        directory=tmp_path,
    )
    digits.search(tuner, callbacks=[fits()])
    assert fits.seen == [(3, 2)]
    assert list(tuner.results()[0]["scores"]) == [0, 1, 2]


def test_several_objectives_are_added_up(tmp_path, digits):
    oracle = oracles.RandomSearchOracle(["val_loss", "val_accuracy"], 1, seed=1)
    tuner = PopulationTuner(oracle, digits.hypermodel(), seeds=2, directory=tmp_path)
    (result,) = digits.search(tuner).results()
    (trial,) = oracle.trials.values()
    losses, accuracies = (
        trial.metrics.get_history(name)[0].value
        for name in oracle.objective.name_to_direction
    )
    expected = [
        loss - accuracy for loss, accuracy in zip(losses, accuracies, strict=True)
    ]
    assert list(result["scores"].values()) == pytest.approx(expected)
