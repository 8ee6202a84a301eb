"""The main job: KerasTuner over initializer and epsilon on deep, narrow networks."""

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import scipy.stats

from experiments import catalogue, datasets, dead_units, networks, plots
from experiments.progress import FitProgress, console, progress_bar
from experiments.report import Report, Table, mean_sd
from experiments.runner import STEPS_TOGETHER
from keras_inits import InitializerHyperModel, LeeQR, PopulationTuner
from keras_inits.population import ENGINE

INITIALIZERS = (
    "lee_qr",
    "rectangular_identity",
    "zer_o",
    "orthogonal",
    "glorot_uniform",
    "he_normal",
)

ORACLES = {
    "grid": keras_tuner.oracles.GridSearchOracle,
    "random": keras_tuner.oracles.RandomSearchOracle,
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
}

_TRIALS_TOGETHER = 32  # of one network
_LOOKED_AT = 2000  # samples, for dead units
_COLUMNS = ("initializer", "ε", "mean ± sd", "dead (%)")


@dataclass(frozen=True)
class Space:
    """What a search chooses among.

    Args:
        depths: Numbers of hidden layers.
        widths: Widths that hidden layers take in turn, such as `"10-6"`.
        initializers: Names.
        epsilon: Range (a tuple) or list of values, for those initializers that take it.
        signs: Sign conventions, for those that take them; none for their default.
        activation: Of the hidden layers.
    """

    depths: tuple[int, ...] = (60,)
    widths: tuple[str, ...] = ("10-6",)
    initializers: tuple[str, ...] = INITIALIZERS
    epsilon: tuple[float, float] | list[float] = (1e-4, 10.0)
    signs: tuple[str, ...] = ("householder", "gram_schmidt")
    activation: str = "relu"

    def hypermodel(self, features: int, classes: int) -> InitializerHyperModel:
        """Returns KerasTuner's form of it, for some numbers of inputs and classes.

        Raises:
            ValueError: If something in it is unknown.
        """
        networks.check_activation(self.activation)
        layers = {text: networks.parse_widths(text) for text in self.widths}

        def build(initializer: Any, hp: keras_tuner.HyperParameters) -> keras.Model:
            depth = self._choose(hp, "depth", self.depths)
            widths = layers[self._choose(hp, "widths", self.widths)]
            hidden = networks.alternating(depth, widths)
            model = networks.feedforward(
                features, classes, hidden, initializer, self.activation
            )
            model.compile(
                keras.optimizers.Adam(0.001),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
                steps_per_execution=STEPS_TOGETHER,
            )
            return model

        return InitializerHyperModel(build, self.initializers, self.epsilon, self.signs)

    def command(self, dataset: str, seeds: int, epochs: int, batch_size: int) -> str:
        """Returns the command that searches it."""
        options: list[tuple[str, object]] = [("dataset", dataset)]
        options += [("depth", depth) for depth in self.depths]
        options += [("width", widths) for widths in self.widths]
        options += [("initializer", name) for name in self.initializers]
        # Without one the initializers take their default, which is that of `LeeQR`.
        signs = self.signs or (LeeQR().signs,)
        options += [("signs", value) for value in signs]
        if isinstance(self.epsilon, tuple):
            options.append(("epsilon-range", " ".join(map(str, self.epsilon))))
        else:
            options += [("epsilon", value) for value in self.epsilon]
        options += [("activation", self.activation), ("seeds", seeds)]
        options += [("epochs", epochs), ("batch-size", batch_size)]
        texts = (f"--{name} {value}" for name, value in options)
        return " ".join(["python -m experiments search deep-narrow", *texts])

    def _choose(
        self, hp: keras_tuner.HyperParameters, name: str, values: Sequence[Any]
    ) -> Any:
        # What has one value is not searched, and not named in tables.
        return hp.Choice(name, list(values)) if len(values) > 1 else values[0]


def deep_narrow(
    dataset: str = "digits",
    space: Space = Space(),  # noqa: B008  (it is frozen)
    seeds: int = 5,
    epochs: int = 40,
    batch_size: int = 32,
    scaling: datasets.Scaling = "unit",
    oracle: str = "grid",
    trials: int | None = None,
    folder: Path = Path("results"),
    data_dir: str | None = None,
) -> list[Path]:
    """Searches for the initializer that trains hidden layers of a few units in turn.

    Prints a table, says whether epsilon matters, and writes pictures and a report.
    Started again with the same arguments, it goes on where it stopped.

    Args:
        dataset: Name for `experiments.datasets.load`.
        space: What to choose among.
        seeds: Number of seeds; each has a hold-out of 15 % and an order of its own.
        epochs: Epochs to train, with Adam at 0.001.
        batch_size: Samples in a batch.
        scaling: Scale of the pixels.
        oracle: `"grid"`, `"random"` or `"bayesian"`.
        trials: Most trials to run; the whole grid by default, else 20.
        folder: Where results go.
        data_dir: Folder of prepared tensorflow-datasets data.

    Returns:
        The files that were written.

    Raises:
        ValueError: If an argument is unknown.
    """
    catalogue.find("oracle", oracle, ORACLES)
    data = datasets.load(dataset, data_dir)
    x = datasets.scale(data, scaling)
    hypermodel = space.hypermodel(x.shape[1], data.num_classes)
    limit = trials if oracle == "grid" else trials or 20
    # Whatever makes it another search goes into its name, which is what is resumed.
    what = (space, seeds, epochs, batch_size, scaling, oracle, limit, ENGINE)
    digest = hashlib.sha256(repr(what).encode()).hexdigest()[:8]
    name = f"search-{dataset.replace('/', '-')}-{space.activation}-{digest}"
    tuner = PopulationTuner(
        ORACLES[oracle]("val_accuracy", max_trials=limit, seed=1),
        hypermodel,
        seeds=seeds,
        # The oracle turns to the next network before the next initializer.
        trials_together=_TRIALS_TOGETHER * len(space.depths) * len(space.widths),
        directory=str(folder / "keras_tuner"),
        project_name=name,
    )
    (folder / name).mkdir(parents=True, exist_ok=True)
    monitor = dead_units.TrialMonitor(x[:_LOOKED_AT], folder / name / "dead_units.csv")
    with progress_bar() as bar:
        tuner.search(
            x,
            data.y,
            epochs=epochs,
            batch_size=batch_size,
            validation_split=0.15,
            validation_batch_size=512,
            verbose=0,
            callbacks=[monitor, FitProgress(bar, f"{dataset}, {space.activation}")],
        )
    networks_tried = " and ".join(map(str, space.depths)) + " hidden layers"
    if len(space.widths) == 1:
        networks_tried += f" of {' and '.join(space.widths[0].split('-'))} units"
    title = (
        f"{data.name}: {networks_tried}, {space.activation}, {epochs} epochs, "
        f"{seeds} seeds"
    )
    chance = np.bincount(data.y).max() / len(data.y)
    command = space.command(dataset, seeds, epochs, batch_size)
    command += f" --scaling {scaling} --oracle {oracle} --trials {trials or 0}"
    return _report(tuner.results(), chance, title, command, folder / name)


def epsilon_matters(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Says of each method that takes epsilon whether it matters, and which is best.

    The test is Friedman's, of the ranks of the values of epsilon within each seed,
    with which they share hold-out and order of samples.

    Args:
        results: From `PopulationTuner.results`, of one network.

    Returns:
        A sentence for each method that was tried with three values or more; Friedman's
        test has no meaning for fewer.
    """
    sentences = []
    tried = [result for result in results if "epsilon" in result["values"]]
    for method in sorted({plots.kind(result["values"]) for result in tried}):
        own = [result for result in tried if plots.kind(result["values"]) == method]
        if len(own) < 3:
            continue
        scores = [[100 * score for score in r["scores"].values()] for r in own]
        best = max(own, key=lambda result: result["mean"])
        low, high = min(r["mean"] for r in own), best["mean"]
        spread = 100 * statistics.median(result["sd"] for result in own)
        p = 1.0  # of ranks that are all tied
        if np.ptp(scores, axis=0).any():
            p = float(scipy.stats.friedmanchisquare(*scores).pvalue)
        verdict = "matters" if p < 0.05 else "makes no difference that these seeds show"
        values = [result["values"]["epsilon"] for result in own]
        sentences.append(
            f"{method}: ε between {min(values):.4g} and {max(values):.4g} {verdict} "
            f"(Friedman's test over seeds, p = {p:.2g}): mean accuracy "
            f"{100 * low:.1f} to {100 * high:.1f} %, where seeds of one ε differ by "
            f"{spread:.1f} (sd). Best is ε = {best['values']['epsilon']:.4g}."
        )
    return sentences


def _report(
    results: Sequence[Mapping[str, Any]],
    chance: float,
    title: str,
    command: str,
    folder: Path,
) -> list[Path]:
    parts: list[str | Table | Path] = []
    for network, own in plots.by_network(results).items():
        rows = [
            [
                plots.kind(result["values"]),
                f"{result['values']['epsilon']:.4g}"
                if "epsilon" in result["values"]
                else "",
                mean_sd([100 * score for score in result["scores"].values()]),
                str(sum(score > 1.5 * chance for score in result["scores"].values())),
                f"{100 * np.mean([*result['metrics']['dead_fraction'].values()]):.0f}",
            ]
            for result in own
        ]
        seeds = len(own[0]["scores"])
        heading = ", ".join(text for text in (title, network) if text)
        table = Table(
            f"Validation accuracy (%) on {heading}",
            [*_COLUMNS[:3], f"seeds of {seeds} that train", _COLUMNS[3]],
            rows,
        )
        console.print(table.to_rich())
        answers = epsilon_matters(own)
        for answer in answers:
            console.print(answer)
        parts += [table, *answers]
    pictures = [plots.scores(results, chance, title, folder / "accuracy.png")]
    if over_epsilon := plots.epsilon(results, title, folder / "epsilon.png"):
        pictures.append(over_epsilon)
    shown = list(plots.by_network(results))
    if over_layers := dead_units.trials(
        folder / "dead_units.csv", shown, title, folder / "dead_units.png"
    ):
        pictures.append(over_layers)
    note = (
        "A seed counts as trained above one and a half times chance "
        f"({100 * chance:.1f} %). Accuracy is that after the last epoch on 15 % of the "
        "samples, drawn anew for each seed and shared by all initializers. Dead units "
        f"are active for none of the samples (the first {_LOOKED_AT} of them) after "
        "the last epoch; their part is a mean over seeds."
    )
    report = Report(
        f"Deep, narrow search on {title}",
        [*parts, note, *pictures, f"Made by `{command}`."],
    )
    return [*pictures, *report.write(folder, "report")]
