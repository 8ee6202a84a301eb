"""Runs experiments: trains what is missing, shows how far it is, and reports."""

from collections.abc import Sequence
from pathlib import Path

from experiments.engine import corpora, datasets
from experiments.engine.frame import CSVSource
from experiments.engine.ledger import Ledger
from experiments.engine.progress import (
    FitProgress,
    console,
    finish_part,
    progress_bar,
)
from experiments.experiment import Experiment, Options
from experiments.reporting.report import Table


def run(
    experiments: Sequence[Experiment],
    preset: str,
    options: Options,
    results: Path,
    data_dir: str | None,
    anew: bool = False,
) -> None:
    """Trains what neither the ledger has nor a CSV of results, and reports.

    What needs data that are not there is left out, unless that is all.

    Args:
        experiments: Those to run.
        preset: Of each.
        options: What narrows them.
        results: Folder of the ledger and of the reports.
        data_dir: Folder of data.
        anew: Whether what a CSV has is trained again. Defaults to `False`.

    Raises:
        FileNotFoundError: If none of their data are there.
    """
    work = [
        (experiment.name, cell)
        for experiment in experiments
        for cell in experiment.select(preset, options)
    ]
    for name in dict.fromkeys(cell.dataset for _, cell in work if cell.dataset):
        try:
            (corpora if name in corpora.NAMES else datasets).load(name, data_dir)
        except FileNotFoundError as error:
            needing = {one for one, cell in work if cell.dataset == name}
            work = [(one, cell) for one, cell in work if cell.dataset != name]
            if not work:
                raise
            there = {one for one, _ in work}
            experiments = [one for one in experiments if one.name in there]
            what = f"{name} of {', '.join(sorted(needing))}"
            console.print(f"Left out: {what}. {error}")
    ledger = Ledger(results / "ledger.sqlite")
    csvs = {
        experiment.name: CSVSource(results / experiment.name / f"{experiment.name}.csv")
        for experiment in experiments
        if not anew
    }
    with progress_bar() as bar:
        whole = bar.add_task("all", total=len(work), logs="")
        for name, cell in work:
            what = f"{name}: {cell.name}"
            bar.update(whole, logs=what)
            missing = ledger.missing(cell.describe(), cell.rows_per_run)
            if name in csvs:
                missing = csvs[name].missing(missing, cell.rows_per_run)
            if missing:
                cell.train(missing, ledger, data_dir, FitProgress(bar, what))
            what += "" if missing else ", there already"
            finish_part(bar, whole, what)
    for experiment in experiments:
        console.rule(experiment.name)
        report(experiment, preset, options.seeds, options.epochs, results)


def report(
    experiment: Experiment,
    preset: str,
    seeds: int,
    epochs: int,
    results: Path,
    html: bool = False,
) -> None:
    """Writes the report of an experiment, and prints it.

    Args:
        experiment: It.
        preset: Its preset.
        seeds: Number of seeds, if that is more than the preset has.
        epochs: Epochs that were trained; 0 for those of the preset.
        results: Folder of the ledger and of the reports.
        html: Whether to write a page too. Defaults to `False`.
    """
    publication = experiment.publication(preset, seeds, epochs)
    _print(*publication.write(results, html))


def _print(shown: Sequence[str | Table], written: Sequence[Path]) -> None:
    for part in shown:
        # Text as it is: rich would take words in brackets for styles.
        console.print(part if isinstance(part, str) else part.to_rich(), markup=False)
    for path in written:
        console.print(str(path), soft_wrap=True)
