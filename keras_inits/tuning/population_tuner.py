"""A KerasTuner tuner that trains many trials and seeds as one population."""

import inspect
import math
import statistics
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner
from keras import tree
from keras_tuner import errors
from keras_tuner.oracles import GridSearchOracle

from keras_inits.population import Population
from keras_inits.tuning import _objective, _oracle
from keras_inits.tuning._oracle import active_values

_NOT_TAKEN = {
    "executions_per_trial": "the executions of a trial are its seeds, `seeds=7` for 7",
    "distribution_strategy": "a population is one model on one device",
}


class PopulationTuner(keras_tuner.Tuner):
    """Runs a KerasTuner search many trials at a time, each with several seeds.

    It asks the oracle for up to `trials_together` trials, trains those that share a
    network as one `Population`, and reports every one in KerasTuner's own form: a
    trial has one value a seed of each metric, as of the last epoch, and its score is
    their mean. `results_summary`, `get_best_models` and resuming a search that was
    stopped work as in any tuner; `get_best_models` gives the best seed of a trial.

    With arrays, or structures of them, every seed gets its own order of samples and its
    own hold-out (`data_order="seed"`), which all trials of that seed share: they are
    paired. Other data, and `steps_per_epoch`, are for all seeds the same.

    Examples:
    >>> import keras_tuner
    >>> from keras_inits import PopulationTuner
    >>> oracle = keras_tuner.oracles.RandomSearchOracle("val_accuracy", max_trials=20)
    >>> # tuner = PopulationTuner(oracle, hypermodel, seeds=5)
    >>> # tuner.search(x, y, epochs=10, validation_split=0.15)

    Args:
        oracle: An oracle of KerasTuner: grid, random, Bayesian, or Hyperband, whose
            trials are trained from their first epoch in every round.
        hypermodel: An `InitializerHyperModel`, or any `HyperModel` with a set
            `weights_only` of the hyperparameters that change initial weights alone.
            Without that set the seeds of one trial are trained together.
        seeds: Seeds of every trial, or how many: `5` stands for 0 to 4. Defaults to
            `5`.
        trials_together: Most trials to train at once; the Bayesian oracle learns
            from their results only then. Defaults to `16`.
        **kwargs: Those of `keras_tuner.Tuner`: `directory`, `project_name`,
            `overwrite`, `max_model_size`, ..., but for `executions_per_trial`, which is
            what `seeds` are, and `distribution_strategy`.

    Raises:
        ValueError: If `seeds` or `trials_together` is not positive, if an argument is
            not taken, or if the search that is taken up has other seeds.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: keras_tuner.HyperModel,
        seeds: int | Sequence[int] = 5,
        trials_together: int = 16,
        **kwargs: Any,
    ) -> None:
        """Sets up the search, or takes up one that was stopped."""
        self.seeds = [
            int(s) for s in (range(seeds) if isinstance(seeds, int) else seeds)
        ]
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                "`seeds` must be a positive number of seeds, or distinct seeds. "
                f"Received: seeds={seeds}"
            )
        if not (isinstance(trials_together, int) and trials_together > 0):
            raise ValueError(
                "`trials_together` must be a positive integer. "
                f"Received: trials_together={trials_together}"
            )
        for name, reason in _NOT_TAKEN.items():
            if kwargs.get(name) not in (None, 1):
                raise ValueError(
                    f"`{name}` must be left out: {reason}. "
                    f"Received: {name}={kwargs[name]}"
                )
        self.trials_together = trials_together
        super().__init__(oracle, hypermodel, **kwargs)

    def get_state(self) -> dict[str, Any]:
        """Returns what a search that is taken up must share with the stopped one."""
        return {"seeds": self.seeds}

    def set_state(self, state: dict[str, Any]) -> None:
        """Checks that this search is the one that was stopped."""
        if state.get("seeds") != self.seeds:
            raise ValueError(
                f"`seeds` must be those of the search in {self.project_dir}, "
                f"{state.get('seeds')}, or `overwrite` be True. "
                f"Received: seeds={self.seeds}"
            )

    def reload(self) -> None:
        """Takes up the search that was stopped."""
        super().reload()
        if isinstance(self.oracle, GridSearchOracle):
            _oracle.restore_grid(self.oracle)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Trains trials until the oracle has no more.

        Args:
            *fit_args: Those of `keras.Model.fit`.
            **fit_kwargs: Those of `Population.fit`.

        Raises:
            keras_tuner.errors.FatalError: If no trial can succeed, as where the
                objective is not among what `fit` logs.
            RuntimeError: If as many trials have failed in a row as the oracle allows.
        """
        if _oracle.is_chief():
            super().search(*fit_args, **fit_kwargs)
            return
        if "verbose" in fit_kwargs:
            self.oracle.verbose = fit_kwargs["verbose"]
        names = list(inspect.signature(keras.Model.fit).parameters)[1:]
        fit = {**dict(zip(names, fit_args, strict=False)), **fit_kwargs}
        self.on_search_begin()
        for trials in _oracle.rounds(
            self.oracle, self.tuner_id, self.trials_together, self.pre_create_trial
        ):
            for trial in trials:
                self.on_trial_begin(trial)
            for together in self._share_a_network(trials):
                self._run_together(together, fit)
        self.on_search_end()

    def results(self) -> list[dict[str, Any]]:
        """Returns the finished trials, best first.

        Returns:
            A dictionary for each trial: `trial_id`, `values` (its hyperparameters),
            `scores` (the objective by seed), `mean` and `sd` of these (0 for one
            seed), and `metrics` (by name, all that was logged in the last epoch, by
            seed).
        """
        rows = []
        for trial in self.oracle.get_best_trials(len(self.oracle.trials)):
            if trial.status != "COMPLETED":
                continue
            metrics = {}
            for name in trial.metrics.metrics:
                last = trial.metrics.get_history(name)[-1].value
                metrics[name] = dict(zip(self.seeds, last, strict=False))
            scores = [*metrics[self.oracle.objective.name].values()]
            rows.append(
                {
                    "trial_id": trial.trial_id,
                    "values": active_values(trial.hyperparameters),
                    "scores": metrics[self.oracle.objective.name],
                    "metrics": metrics,
                    "mean": statistics.fmean(scores),
                    "sd": statistics.stdev(scores) if len(scores) > 1 else 0.0,
                }
            )
        return rows

    @property
    def _fits_by_itself(self) -> bool:
        """Whether the hypermodel has hyperparameters of training, or may have."""
        return type(self.hypermodel).fit is not keras_tuner.HyperModel.fit

    def _override_compile_args(self, model: keras.Model) -> None:
        """Compiles a model by the arguments of the tuner, and else by its own.

        KerasTuner's way asks a model that is not compiled for its optimizer, and
        compiles a metric that Keras has made of the others, which has no config.
        """
        given = {
            name: getattr(self, name)
            for name in ("optimizer", "loss", "metrics")
            if getattr(self, name)
        }
        if not given:
            return
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            config = self.optimizer.get_config()
            given["optimizer"] = type(self.optimizer).from_config(config)
        compiled = model.get_compile_config() if model.compiled else {}
        model.compile(**keras.saving.deserialize_keras_object(compiled) | given)

    def _share_a_network(self, trials: list[Any]) -> list[list[Any]]:
        weights_only = getattr(self.hypermodel, "weights_only", None)
        if weights_only is None or self._fits_by_itself:
            return [[trial] for trial in trials]
        groups: dict[str, list[Any]] = {}
        for trial in trials:
            values = active_values(trial.hyperparameters)
            network = {k: v for k, v in values.items() if k not in weights_only}
            groups.setdefault(repr(sorted(network.items())), []).append(trial)
        return list(groups.values())

    def _run_together(self, trials: list[Any], fit: Mapping[str, Any]) -> None:
        try:
            messages = self._train(trials, dict(fit))
            status = "COMPLETED"
        except errors.FatalError:
            raise
        except Exception as error:
            failed = isinstance(error, errors.FailedTrialError)
            status = "FAILED" if failed else "INVALID"
            messages = [traceback.format_exc()] * len(trials)
        if status != "COMPLETED" and len(trials) > 1:
            # One of them may be to blame: the others must not fail with it.
            for trial in trials:
                self._run_together([trial], fit)
            return
        for trial, message in zip(trials, messages, strict=True):
            trial.status, trial.message = status, message
            if message:
                warnings.warn(
                    f"Trial {trial.trial_id} failed, with "
                    f"{active_values(trial.hyperparameters)}: "
                    f"{message.splitlines()[-1]}",
                    stacklevel=2,
                )
            self.on_trial_end(trial)

    def _train(self, trials: list[Any], fit: dict[str, Any]) -> list[str | None]:
        """Trains the seeds of some trials together, and reports to the oracle.

        Args:
            trials: Trials of one network.
            fit: Arguments of `Population.fit`.

        Returns:
            For each trial what is wrong with its results, if anything is.
        """
        hp, objective = trials[0].hyperparameters, self.oracle.objective
        network = self._try_build(hp)  # Refuses what is too large, or no model.
        data = tree.flatten([fit.get(name) for name in ("x", "y", "sample_weight")])
        arrays = all(part is None or hasattr(part, "__array__") for part in data)
        if arrays:
            _objective.check_before_training(objective, network, fit)
        by_seed = arrays and fit.get("steps_per_epoch") is None
        fit.setdefault("data_order", "seed" if by_seed else "shared")
        if "tuner/epochs" in hp.values:  # Hyperband's
            fit["epochs"] = hp.values["tuner/epochs"]
        fit["callbacks"] = [
            *self._deepcopy_callbacks(_objective.callbacks(fit)),
            _objective.ObjectiveCheck(objective, _objective.validates(fit)),
        ]
        members = [
            {"hp": trial.hyperparameters, "seed": seed}
            for trial in trials
            for seed in self.seeds
        ]
        population = Population(self._build_hypermodel, members)
        history = self.hypermodel.fit(hp, population, **fit)
        if not isinstance(history, keras.callbacks.History):
            raise errors.FatalTypeError(
                "`HyperModel.fit` must return what `fit` of the model returns: each "
                f"seed has results of its own. Received: {history}"
            )
        last = {name: rows[-1] for name, rows in population.member_logs.items()}
        _objective.check(objective, last)
        last[objective.name] = objective.get_value(last)
        epoch = len(history.epoch) - 1
        messages = []
        for index, trial in enumerate(trials):
            first = index * len(self.seeds)
            seeds = range(first, first + len(self.seeds))
            for member in seeds:
                metrics = {name: float(values[member]) for name, values in last.items()}
                self.oracle.update_trial(trial.trial_id, metrics, step=epoch)
            scores = [float(last[objective.name][member]) for member in seeds]
            best = max if objective.direction == "max" else min
            model = population.member(first + scores.index(best(scores)))
            model.save_weights(self._get_checkpoint_fname(trial.trial_id))
            nan = [
                seed
                for seed, score in zip(self.seeds, scores, strict=True)
                if math.isnan(score)
            ]
            message = f"The objective {objective.name} is NaN under seeds {nan}."
            messages.append(message if nan else None)
        return messages
