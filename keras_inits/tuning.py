"""KerasTuner over initializers: many trials and seeds trained as one population."""

import functools
import inspect
import statistics
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner import errors
from keras_tuner.oracles import GridSearchOracle

from keras_inits import registration
from keras_inits.population import Population

_RUNNING, _STOPPED = "RUNNING", "STOPPED"


class InitializerHyperModel(keras_tuner.HyperModel):
    """Searches over initializers, and over epsilon for those that have one.

    The hyperparameter `initializer` is a choice among names; `epsilon` and `signs`
    exist only under the initializers that take them. None of the three changes the
    network, so `PopulationTuner` trains all their values together. Further
    hyperparameters are those that `build` asks for.

    Examples:
    >>> import keras
    >>> import keras_tuner
    >>> from keras_inits import InitializerHyperModel
    >>> def build(initializer):
    ...     layer = keras.layers.Dense(1, kernel_initializer=initializer)
    ...     model = keras.Sequential([keras.Input((3,)), layer])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> hypermodel = InitializerHyperModel(build, ["he_normal", "lee_qr"])
    >>> hp = keras_tuner.HyperParameters()
    >>> model = hypermodel.build(hp)
    >>> hp.values["initializer"]
    'he_normal'

    Args:
        build: Function `build(initializer)`, or `build(initializer, hp)`, that
            returns a compiled Keras model.
        initializers: Names of initializers, ours or Keras' own.
        epsilon: Lowest and highest epsilon, sampled on a log scale, or a list of the
            values to try. Defaults to `(1e-4, 1.0)`.
        signs: List of the sign conventions to try under the initializers that have
            them, `["householder", "gram_schmidt"]`. Defaults to each one's own
            default.

    Raises:
        ValueError: If a name or a sign convention is unknown, or `epsilon` is not a
            range or a list of positive numbers.
    """

    weights_only = frozenset({"initializer", "epsilon", "signs"})
    """Hyperparameters that change initial weights and nothing else."""

    def __init__(
        self,
        build: Callable[..., keras.Model],
        initializers: Sequence[str],
        epsilon: tuple[float, float] | list[float] = (1e-4, 1.0),
        signs: Sequence[str] | None = None,
    ) -> None:
        """Checks the search space."""
        super().__init__()
        self._network = build
        self._build_takes_hp = "hp" in inspect.signature(build).parameters
        if isinstance(initializers, str) or not initializers:
            raise ValueError(
                "`initializers` must be a list of names, one at least. "
                f"Received: initializers={initializers!r}"
            )
        self._arguments = {
            name: inspect.signature(type(registration.get(name))).parameters
            for name in initializers
        }
        self._epsilon = _check_epsilon(epsilon)
        self._signs = [signs] if isinstance(signs, str) else list(signs or [])
        for name in self._takers("signs"):
            for value in self._signs:
                type(registration.get(name))(signs=value)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model of one point of the search space."""
        name = hp.Choice("initializer", list(self._arguments))
        chosen: dict[str, Any] = {}
        if takers := self._takers("epsilon"):
            with hp.conditional_scope("initializer", takers):
                if name in takers:
                    chosen["epsilon"] = self._choose_epsilon(hp)
        if self._signs and (takers := self._takers("signs")):
            with hp.conditional_scope("initializer", takers):
                if name in takers:
                    chosen["signs"] = hp.Choice("signs", self._signs)
        # A name gives each layer an initializer, and with it a seed, of its own.
        initializer = name
        if chosen:
            config = {**registration.get(name).get_config(), **chosen}
            initializer = type(registration.get(name)).from_config(config)
        if self._build_takes_hp:
            return self._network(initializer, hp=hp)
        return self._network(initializer)

    def _choose_epsilon(self, hp: keras_tuner.HyperParameters) -> float:
        if isinstance(self._epsilon, tuple):
            lowest, highest = self._epsilon
            value: float = hp.Float("epsilon", lowest, highest, sampling="log")
        else:
            value = hp.Choice("epsilon", self._epsilon)
        return value

    def _takers(self, argument: str) -> list[str]:
        return [name for name, taken in self._arguments.items() if argument in taken]


class PopulationTuner(keras_tuner.Tuner):
    """Runs a KerasTuner search many trials at a time, each with several seeds.

    It asks the oracle for up to `trials_together` trials, trains those that share a
    network as one `Population`, and reports every one in KerasTuner's own form: a
    trial has one value a seed of each metric, as of the last epoch, and its score is
    their mean. `results_summary`, `get_best_models` and resuming a search that was
    stopped work as in any tuner; `get_best_models` gives the best seed of a trial.

    With arrays every seed gets its own order of samples and its own hold-out
    (`data_order="seed"`), which all trials of that seed share: they are paired.

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
            `overwrite`, ...

    Raises:
        ValueError: If `seeds` or `trials_together` is not positive, or if the search
            that is taken up has other seeds.
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
            _restore_grid(self.oracle)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Trains trials until the oracle has no more.

        Args:
            *fit_args: Those of `Population.fit`.
            **fit_kwargs: Those of `Population.fit`.
        """
        if keras_tuner.src.distribute.utils.is_chief_oracle():
            super().search(*fit_args, **fit_kwargs)
            return
        if "verbose" in fit_kwargs:
            self.oracle.verbose = fit_kwargs["verbose"]
        self.on_search_begin()
        for trials in self._rounds():
            for trial in trials:
                self.on_trial_begin(trial)
            for together in self._share_a_network(trials):
                self._run_together(together, *fit_args, **fit_kwargs)
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

    def _rounds(self) -> Iterator[list[Any]]:
        """Yields what the oracle gives at a time, until it has stopped."""
        slots = [f"{self.tuner_id}-{slot}" for slot in range(self.trials_together)]
        while slots:
            self.pre_create_trial()
            trials = []
            for slot in list(slots):
                trial = self.oracle.create_trial(slot)
                if trial.status == _STOPPED:
                    slots.remove(slot)
                elif trial.status == _RUNNING:
                    # What a run that was stopped has reported is earned anew.
                    trial.metrics = type(trial.metrics)()
                    trials.append(trial)
                    if isinstance(self.oracle, GridSearchOracle):
                        # Else it waits for a trial to end before it gives the next.
                        self.oracle._populate_next.append(trial.trial_id)
            if trials:
                yield trials
            elif slots:
                time.sleep(0.1)  # Others are at work on what the oracle waits for.

    def _share_a_network(self, trials: list[Any]) -> list[list[Any]]:
        weights_only = getattr(self.hypermodel, "weights_only", None)
        if weights_only is None:
            return [[trial] for trial in trials]
        groups: dict[str, list[Any]] = {}
        for trial in trials:
            values = active_values(trial.hyperparameters)
            network = {k: v for k, v in values.items() if k not in weights_only}
            groups.setdefault(repr(sorted(network.items())), []).append(trial)
        return list(groups.values())

    def _run_together(self, trials: list[Any], *args: Any, **kwargs: Any) -> None:
        try:
            self._train(trials, *args, **kwargs)
            status, message = "COMPLETED", None
        except errors.FatalError:
            raise
        except Exception as error:
            failed = isinstance(error, errors.FailedTrialError)
            status = "FAILED" if failed else "INVALID"
            message = traceback.format_exc()
        if message and len(trials) > 1:
            # One of them may be to blame: the others must not fail with it.
            for trial in trials:
                self._run_together([trial], *args, **kwargs)
            return
        for trial in trials:
            trial.status, trial.message = status, message
            if message:
                warnings.warn(
                    f"Trial {trial.trial_id} failed, with "
                    f"{active_values(trial.hyperparameters)}: "
                    f"{message.splitlines()[-1]}",
                    stacklevel=2,
                )
            self.on_trial_end(trial)

    def _train(self, trials: list[Any], *args: Any, **kwargs: Any) -> None:
        keras.backend.clear_session()
        members = [
            {"hp": trial.hyperparameters, "seed": seed}
            for trial in trials
            for seed in self.seeds
        ]
        population = Population(lambda hp: self._build_hypermodel(hp), members)
        data = args[0] if args else kwargs.get("x")
        kwargs.setdefault(
            "data_order", "seed" if isinstance(data, np.ndarray) else "shared"
        )
        if "tuner/epochs" in trials[0].hyperparameters.values:  # Hyperband's
            kwargs["epochs"] = trials[0].hyperparameters.values["tuner/epochs"]
        kwargs["callbacks"] = self._deepcopy_callbacks(kwargs.get("callbacks", []))
        population.fit(*args, **kwargs)
        last = {name: rows[-1] for name, rows in population.member_logs.items()}
        objective = self.oracle.objective
        if not objective.has_value(last):
            raise errors.FatalValueError(
                f"The objective must be among what `fit` logs, {', '.join(last)}. "
                f"Received: {objective}"
            )
        last[objective.name] = objective.get_value(last)
        epoch = len(population.history.epoch) - 1
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


def _check_epsilon(epsilon: Any) -> tuple[float, float] | list[float]:
    """Returns the range or the list of values as floats."""
    try:
        values = [float(value) for value in epsilon]
    except (TypeError, ValueError):
        values = []
    positive = all(np.isfinite(value) and value > 0 for value in values)
    rising = not isinstance(epsilon, tuple) or (
        len(values) == 2 and values[0] < values[1]
    )
    if isinstance(epsilon, str) or not (values and positive and rising):
        raise ValueError(
            "`epsilon` must be a tuple (lowest, highest) or a list of positive "
            f"numbers. Received: epsilon={epsilon}"
        )
    return (values[0], values[1]) if isinstance(epsilon, tuple) else values


def _restore_grid(oracle: GridSearchOracle) -> None:
    """Restores what KerasTuner does not save: how far a grid has been walked."""
    values = {name: t.hyperparameters.values for name, t in oracle.trials.items()}
    in_order = functools.cmp_to_key(
        lambda one, other: oracle._compare(values[one], values[other])
    )
    for name in sorted(values, key=in_order):
        oracle._ordered_ids.insert(name)
        oracle._populate_next.append(name)


def active_values(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Returns the hyperparameters that count in a trial, Hyperband's epochs too.

    KerasTuner keeps values of those too that the others leave without a meaning, such
    as an epsilon for an initializer that has none.
    """
    names = [part.name for part in hp.space if hp.is_active(part)]
    return {
        name: hp.values[name] for name in (*names, "tuner/epochs") if name in hp.values
    }
