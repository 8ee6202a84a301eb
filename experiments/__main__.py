"""The command line: `python -m experiments list | run | search | report | ...`."""

import os

# Read by TensorFlow when it starts. Small networks want many operations side by side,
# one thread each; `Population` then splits itself in as many parts as there are cores.
if os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1") == "1":
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(os.cpu_count() or 1))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contextlib  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated, Optional  # noqa: E402

import typer  # noqa: E402

app = typer.Typer(
    help="Runs the papers' experiments again, beside their published numbers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Folder = Annotated[Path, typer.Option("--results", help="Folder of the results.")]
DataDir = Annotated[
    Optional[str],  # noqa: UP045  (typer reads it)
    typer.Option("--data-dir", help="Folder of tensorflow-datasets data."),
]
Datasets = Annotated[list[str], typer.Option("--dataset", help="May be repeated.")]
Activations = Annotated[
    list[str], typer.Option("--activation", help="May be repeated.")
]
PresetName = Annotated[str, typer.Option("--preset", help="smoke, desk or paper.")]


@app.callback()
def _import_quietly() -> None:
    """Imports Keras without what TensorFlow has to say of its own build."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # It is written by C++, past Python's sys.stderr.
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Prints what a user got wrong as one sentence, without a traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        typer.secho(f"Error: {error}", fg="red", err=True)
        raise typer.Exit(2) from None


@app.command("list")
def list_() -> None:
    """Lists experiments, presets and data sets."""
    from experiments import catalogue, datasets
    from experiments.progress import console
    from experiments.report import Table

    experiments = [
        [name, experiment.what, experiment.source]
        for name, experiment in catalogue.EXPERIMENTS.items()
    ]
    presets = [[n, p.what, str(p.seeds)] for n, p in catalogue.PRESETS.items()]
    sets = [
        [name, "embedded" if name in datasets.EMBEDDED else f"fetch {name}"]
        for name in datasets.names()
    ]
    for table in (
        Table("Experiments", ["name", "what", "source"], experiments),
        Table("Presets", ["name", "what", "seeds"], presets),
        Table("Data sets", ["name", "how it comes here"], sets),
    ):
        console.print(table.to_rich())


@app.command()
def run(
    experiment: str,
    preset: PresetName = "desk",
    dataset: Datasets = [],  # noqa: B006
    activation: Activations = [],  # noqa: B006
    method: Annotated[list[str], typer.Option("--method")] = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(min=0, help="0 for the preset's.")] = 0,
    epochs: Annotated[int, typer.Option(min=0, help="0 for the preset's.")] = 0,
    results: Folder = Path("results"),
    data_dir: DataDir = None,
) -> None:
    """Trains an experiment and prints ours beside the published numbers.

    Every epoch is kept as it ends: started again, the same command goes on where it
    stopped.
    """
    from experiments import catalogue, lee, runner
    from experiments.datasets import load
    from experiments.ledger import Ledger
    from experiments.progress import FitProgress, progress_bar

    with _plain_errors():
        cells = catalogue.cells(experiment, preset, dataset, activation, epochs)
        methods = tuple(method) or lee.AVAILABLE
        lee.check_methods(methods)
        for name in dict.fromkeys(cell.dataset for cell in cells):
            load(name, data_dir)
        number = seeds or catalogue.PRESETS[preset].seeds
        ledger = Ledger(results / "ledger.sqlite")
        with progress_bar() as bar:
            for cell in cells:
                runner.run_cell(
                    cell,
                    methods,
                    range(number),
                    lee.Protocol(),
                    ledger,
                    data_dir,
                    lambda cell, members: FitProgress(
                        bar, f"{cell.dataset}, {cell.activation}, {members} members"
                    ),
                )
        _print_report(experiment, results)


@app.command()
def report(experiment: str, results: Folder = Path("results")) -> None:
    """Makes the report of an experiment from the ledger alone."""
    with _plain_errors():
        _print_report(experiment, results)


def _print_report(experiment: str, results: Path) -> None:
    from experiments import tables
    from experiments.progress import console

    beside, written = tables.write(experiment, results)
    for table in beside:
        console.print(table.to_rich())
    for path in written:
        console.print(str(path), soft_wrap=True)


@app.command()
def search(
    name: Annotated[str, typer.Argument(help="deep-narrow")],
    dataset: str = "digits",
    depth: Annotated[int, typer.Option(min=0)] = 60,
    activation: str = "relu",
    initializer: Annotated[list[str], typer.Option("--initializer")] = [],  # noqa: B006
    epsilon: Annotated[
        list[float], typer.Option("--epsilon", help="A value to try; repeat for more.")
    ] = [],  # noqa: B006
    epsilon_range: Annotated[
        tuple[float, float], typer.Option(help="Lowest and highest.")
    ] = (1e-4, 10.0),
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    epochs: Annotated[int, typer.Option(min=1)] = 40,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    scaling: str = "unit",
    oracle: Annotated[str, typer.Option(help="grid, random or bayesian.")] = "grid",
    trials: Annotated[
        int, typer.Option(min=0, help="Most trials; 0 for no limit.")
    ] = 0,
    results: Folder = Path("results"),
    data_dir: DataDir = None,
) -> None:
    """Searches over initializer and epsilon with KerasTuner."""
    from experiments import catalogue
    from experiments import search as searches

    with _plain_errors():
        catalogue.find("search", name, {"deep-narrow": None})
        paths = searches.deep_narrow(
            dataset,
            depth,
            activation,
            tuple(initializer) or searches.INITIALIZERS,
            list(epsilon) or epsilon_range,
            seeds,
            epochs,
            batch_size,
            scaling,  # type: ignore[arg-type]  # `scale` checks it
            oracle,
            trials or None,
            results,
            data_dir,
        )
        for path in paths:
            typer.echo(path)


@app.command()
def demo(results: Folder = Path("results")) -> None:
    """Runs the main job on embedded data: what trains a deep and narrow network?"""
    search(
        "deep-narrow",
        epsilon=[1e-4, 1e-2, 0.1, 1.0, 10.0],
        results=results,
    )


@app.command()
def fetch(name: str, data_dir: DataDir = None) -> None:
    """Downloads and prepares a data set through tensorflow-datasets."""
    from experiments import datasets

    with _plain_errors():
        typer.echo(f"{name} is in {datasets.fetch(name, data_dir)}")


@app.command()
def bench(
    name: Annotated[
        str, typer.Argument(help="initializers, population, tuner or all")
    ] = "all",
) -> None:
    """Measures speed: ratios of medians, interleaved in one run."""
    from experiments import bench as benches
    from experiments import catalogue

    with _plain_errors():
        known = {"all": None, **benches.BENCHES}
        catalogue.find("bench", name, known)
        for measure in benches.BENCHES if name == "all" else [name]:
            benches.BENCHES[measure]()


if __name__ == "__main__":
    app()
