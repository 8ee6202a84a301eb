"""The main job: KerasTuner over initializer and epsilon on a deep, narrow network."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from experiments import catalogue, datasets, dead_units, networks, plots
from experiments.progress import FitProgress, console, progress_bar
from experiments.report import Report, Table, mean_sd
from keras_inits import InitializerHyperModel, PopulationTuner

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


def deep_narrow(
    dataset: str = "digits",
    depth: int = 60,
    widths: Sequence[int] = (10, 6),
    activation: str = "relu",
    initializers: Sequence[str] = INITIALIZERS,
    epsilon: tuple[float, float] | list[float] = (1e-4, 10.0),
    signs: Sequence[str] = (),
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

    Prints a table and writes pictures and a report. Started again with the same
    arguments, it goes on where it stopped.

    Args:
        dataset: Name for `experiments.datasets.load`.
        depth: Number of hidden layers.
        widths: Widths that they take in turn.
        activation: Of the hidden layers.
        initializers: Names to choose among.
        epsilon: Range (a tuple) or list of values of epsilon.
        signs: Sign conventions to try; none for the default of the initializer.
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
    networks.check_activation(activation)
    data = datasets.load(dataset, data_dir)
    x = datasets.scale(data, scaling)

    def build(initializer: Any) -> keras.Model:
        model = networks.feedforward(
            x.shape[1],
            data.num_classes,
            networks.alternating(depth, widths),
            initializer,
            activation,
        )
        model.compile(
            keras.optimizers.Adam(0.001),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    hypermodel = InitializerHyperModel(build, initializers, epsilon, signs)
    limit = trials if oracle == "grid" else trials or 20
    # Whatever makes it another search goes into its name, which is what is resumed.
    what = (widths, initializers, epsilon, signs, seeds, epochs, batch_size, scaling)
    digest = hashlib.sha256(repr((*what, oracle, limit)).encode()).hexdigest()[:8]
    name = f"search-{dataset.replace('/', '-')}-{activation}-{depth}-{digest}"
    tuner = PopulationTuner(
        ORACLES[oracle]("val_accuracy", max_trials=limit, seed=1),
        hypermodel,
        seeds=seeds,
        directory=str(folder / "keras_tuner"),
        project_name=name,
    )
    (folder / name).mkdir(parents=True, exist_ok=True)
    monitor = dead_units.TrialMonitor(folder / name / "dead_units.csv")
    with progress_bar() as bar:
        tuner.search(
            x,
            data.y,
            epochs=epochs,
            batch_size=batch_size,
            validation_split=0.15,
            validation_batch_size=512,
            verbose=0,
            callbacks=[monitor, FitProgress(bar, f"{dataset}, {depth} layers")],
        )
    layers = f"{depth} hidden layers of {' and '.join(map(str, widths))} units"
    return _report(tuner, data, folder / name, seeds, epochs, layers, activation)


def _report(
    tuner: PopulationTuner,
    data: datasets.Dataset,
    folder: Path,
    seeds: int,
    epochs: int,
    layers: str,
    activation: str,
) -> list[Path]:
    results = tuner.results()
    chance = np.bincount(data.y).max() / len(data.y)
    title = f"{data.name}: {layers}, {activation}, {epochs} epochs, {seeds} seeds"
    rows = []
    for result in results:
        values = result["values"]
        rows.append(
            [
                plots.kind(values),
                f"{values['epsilon']:.4g}" if "epsilon" in values else "",
                mean_sd([100 * score for score in result["scores"].values()]),
                str(sum(score > 1.5 * chance for score in result["scores"].values())),
                f"{100 * np.mean([*result['metrics']['dead_fraction'].values()]):.0f}",
            ]
        )
    table = Table(
        f"Validation accuracy (%) on {title}",
        ["initializer", "ε", "mean ± sd", f"seeds of {seeds} that train", "dead (%)"],
        rows,
    )
    console.print(table.to_rich())
    pictures = [plots.scores(results, chance, title, folder / "accuracy.png")]
    if over_epsilon := plots.epsilon(results, title, folder / "epsilon.png"):
        pictures.append(over_epsilon)
    if over_layers := dead_units.trials(
        folder / "dead_units.csv", title, folder / "dead_units.png"
    ):
        pictures.append(over_layers)
    note = (
        "A seed counts as trained above one and a half times chance "
        f"({100 * chance:.1f} %). Accuracy is that after the last epoch on 15 % of the "
        "samples, drawn anew for each seed and shared by all initializers. Dead units "
        "were active for no sample of the last epoch; their part is a mean over seeds."
    )
    report = Report(f"Deep, narrow search on {data.name}", [table, note, *pictures])
    return [*pictures, *report.write(folder, "report")]
