"""The command line: `python -m experiments list | run | search | report | ...`."""

import os

# Read by TensorFlow when it starts. Small networks want many operations side by side,
# one thread each; `Population` then splits itself in as many parts as there are cores.
if os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1") == "1":
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(os.cpu_count() or 1))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contextlib  # noqa: E402
import logging  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Annotated, Optional  # noqa: E402

import typer  # noqa: E402

if TYPE_CHECKING:  # Keras is imported when a command has set up its output.
    from experiments.experiment import Experiment

app = typer.Typer(
    help="Runs the papers' experiments again, beside their published numbers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Folder = Annotated[Path, typer.Option("--results", help="Folder of the results.")]
DataDir = Annotated[
    Optional[str],  # noqa: UP045  (typer reads it)
    typer.Option(
        "--data-dir",
        help="Folder of tensorflow-datasets data, or of files of the Penn Treebank or "
        "of a part of CIFAR-10.",
    ),
]
Datasets = Annotated[list[str], typer.Option("--dataset", help="May be repeated.")]
Activations = Annotated[
    list[str], typer.Option("--activation", help="May be repeated.")
]
PresetName = Annotated[str, typer.Option("--preset", help="smoke, desk or paper.")]
Seeds = Annotated[int, typer.Option("--seeds", min=0, help="0 for the preset's.")]
Epochs = Annotated[
    int, typer.Option("--epochs", min=0, help="0 for those of the preset or data set.")
]


@app.callback()
def _import_quietly() -> None:
    """Imports Keras without what TensorFlow has to say of its own build."""
    # A population for each row of a table means many graphs, which it warns of.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
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
    from experiments import experiment, registry
    from experiments.engine import corpora, datasets
    from experiments.engine.progress import console
    from experiments.reporting.report import Table

    experiments = [
        [name, one.what, one.source, one.command] for name, one in registry.ALL.items()
    ]
    sets = [[name, datasets.source(name)] for name in datasets.names()] + [
        [name, how] for name, how in corpora.NAMES.items()
    ]
    columns = ["name", "what", "source", "python -m experiments ..."]
    for table in (
        Table("Experiments", columns, experiments),
        Table("Presets", ["name", "what"], list(experiment.PRESETS.items())),
        Table("Data sets", ["name", "how it comes here"], sets),
    ):
        console.print(table.to_rich())


@app.command()
def run(
    experiment: Annotated[str, typer.Argument(help="A name from `list`, or all.")],
    preset: PresetName = "desk",
    dataset: Datasets = [],  # noqa: B006
    activation: Activations = [],  # noqa: B006
    hidden: Annotated[
        list[str], typer.Option("--hidden", help="As in the CSV, such as 10-6x120.")
    ] = [],  # noqa: B006
    method: Annotated[list[str], typer.Option("--method")] = [],  # noqa: B006
    seeds: Seeds = 0,
    epochs: Epochs = 0,
    results: Folder = Path("results"),
    data_dir: DataDir = None,
) -> None:
    """Trains an experiment and prints ours beside the published numbers.

    Every epoch is kept as it ends: started again, the same command goes on where it
    stopped. Runs that the CSV in the folder of results has are not trained again.
    Options narrow what is trained now; the report has all that was.
    """
    from experiments import registry, running
    from experiments.experiment import Options

    with _plain_errors():
        runs = registry.of_command("run")
        chosen = list(runs) if experiment == "all" else [experiment]
        options = Options(dataset, activation, hidden, (), method, seeds, epochs)
        running.run(
            [registry.find(name) for name in chosen], preset, options, results, data_dir
        )


@app.command()
def save(path: Path, results: Folder = Path("results")) -> None:
    """Writes a gzipped copy of the ledger, to take to another machine."""
    from experiments.engine.ledger import Ledger

    with _plain_errors():
        Ledger(results / "ledger.sqlite").save(path)


@app.command()
def merge(path: Path, results: Folder = Path("results")) -> None:
    """Adds what a copy of a ledger has to the ledger: runs go on from there."""
    from experiments.engine.ledger import Ledger

    with _plain_errors():
        added = Ledger(results / "ledger.sqlite").merge(path)
        typer.echo(f"{added} numbers added to {results / 'ledger.sqlite'}")


@app.command()
def report(
    experiment: str,
    preset: PresetName = "desk",
    seeds: Seeds = 0,
    epochs: Epochs = 0,
    html: Annotated[bool, typer.Option("--html", help="As a page too.")] = False,
    results: Folder = Path("results"),
) -> None:
    """Makes the report of an experiment from the ledger, or from its CSV, alone."""
    from experiments import registry, running

    with _plain_errors():
        running.report(registry.find(experiment), preset, seeds, epochs, results, html)


@app.command()
def guide(
    path: Annotated[Path, typer.Argument(help="The page to write.")] = Path(
        "docs/which_initializer.md"
    ),
    results: Folder = Path("experiments/results"),
) -> None:
    """Writes which initializer to use where, from the CSVs of results."""
    from experiments import registry
    from experiments.engine import frame
    from experiments.engine.frame import CSVSource
    from experiments.reporting.guide import page

    with _plain_errors():
        compared = {}
        for name, experiment in registry.ALL.items():
            csv = results / name / f"{name}.csv"
            if experiment.networks is not None and csv.exists():
                known = frame.read(experiment.select("desk"), CSVSource(csv))
                # A CSV of another protocol has none of its runs.
                if known.runs:
                    compared[name] = experiment.networks(known)
        if not compared:
            raise FileNotFoundError(f"There are no results to read in {results}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(compared), "utf-8")
        typer.echo(str(path))


@app.command()
def search(
    name: Annotated[str, typer.Argument(help="deep-narrow or lee-protocol")],
    dataset: str = "digits",
    depth: Annotated[
        list[int], typer.Option(min=0, help="Hidden layers; repeat to try several.")
    ] = [],  # noqa: B006
    width: Annotated[
        list[str], typer.Option(help="Widths in turn: 10-6; repeat to try several.")
    ] = [],  # noqa: B006
    activation: str = "relu",
    initializer: Annotated[list[str], typer.Option("--initializer")] = [],  # noqa: B006
    epsilon: Annotated[
        list[float], typer.Option("--epsilon", help="A value to try; repeat for more.")
    ] = [],  # noqa: B006
    epsilon_range: Annotated[
        tuple[float, float], typer.Option(help="Lowest and highest.")
    ] = (1e-4, 10.0),
    signs: Annotated[
        list[str], typer.Option("--signs", help="householder, gram_schmidt or both.")
    ] = ["householder", "gram_schmidt"],  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    epochs: Epochs = 0,
    batch_size: Annotated[
        int, typer.Option(min=0, help="0 for that of the data set.")
    ] = 0,
    scaling: Annotated[
        str, typer.Option(help="raw, unit or standard; of the data set if left out.")
    ] = "",
    oracle: Annotated[str, typer.Option(help="grid, random or bayesian.")] = "grid",
    trials: Annotated[
        int, typer.Option(min=0, help="0 for the whole grid, or 20 of others.")
    ] = 0,
    table: Annotated[
        list[int],
        typer.Option(min=1, max=2, help="Of lee-protocol; repeat for both."),
    ] = [1, 2],  # noqa: B006
    results: Folder = Path("results"),
    data_dir: DataDir = None,
) -> None:
    """Searches over initializer, epsilon, depth and width with KerasTuner.

    What is left out is that of the data set: 60 layers of 10 and 6 units, batches of
    32, 40 epochs and pixels in [0, 1] on those that are embedded; on others, as Lee et
    al. (2024) train them, 20 and 120 layers of 10 and 6 units and of 4, batches of 100,
    10 epochs and pixels as they are.
    """
    from experiments import deep_narrow, running
    from experiments.experiment import Options

    with _plain_errors():
        experiment, options = _named("search", name), Options(table=table, seeds=seeds)
        is_deep = name == "deep-narrow"
        searched = deep_narrow.search(
            dataset=dataset,
            depth=tuple(depth),
            width=tuple(width),
            initializer=tuple(initializer) or deep_narrow.Search.initializer,
            epsilon=tuple(epsilon),
            epsilon_range=epsilon_range,
            signs=tuple(signs),
            activation=activation,
            seeds=seeds if is_deep else deep_narrow.Search.seeds,
            epochs=epochs,
            batch_size=batch_size,
            scaling=scaling,
            oracle=oracle,
            trials=trials,
        )
        if is_deep:
            experiment, options = searched, Options()
        elif searched.command != "search deep-narrow":
            given = searched.command.removeprefix("search deep-narrow ")
            raise ValueError(
                f"`search {name}` takes --table, --seeds, --results and --data-dir. "
                f"Received: {given}"
            )
        running.run([experiment], "desk", options, results, data_dir)


@app.command()
def demo(results: Folder = Path("results")) -> None:
    """Runs the main job on embedded data: what trains a deep and narrow network?"""
    from experiments import registry, running
    from experiments.experiment import Options

    with _plain_errors():
        running.run([registry.find("demo")], "desk", Options(), results, None)


@app.command()
def fetch(name: str, data_dir: DataDir = None) -> None:
    """Downloads and prepares a data set through tensorflow-datasets."""
    from experiments.engine import datasets

    with _plain_errors():
        typer.echo(f"{name} is in {datasets.fetch(name, data_dir)}")


@app.command()
def score(
    what: Annotated[str, typer.Argument(help="diagnose")] = "diagnose",
    preset: PresetName = "desk",
    results: Folder = Path("results"),
) -> None:
    """Trains a grid of networks, and counts how often `diagnose` had predicted it."""
    from experiments import running
    from experiments.experiment import Options

    with _plain_errors():
        running.run([_named("score", what)], preset, Options(), results, None)


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="compare, curvature, initializers, monitor, population, profile, "
            "tuner or all; or exactness, exactness-jax"
        ),
    ] = "all",
    preset: PresetName = "desk",
    results: Folder = Path("results"),
) -> None:
    """Measures speed: ratios of medians, interleaved in one run. Or exactness.

    What was measured at another commit, or with other releases, is measured again.
    exactness-jax needs KERAS_BACKEND=jax.
    """
    from experiments import registry, running
    from experiments.engine.ledger import Ledger
    from experiments.experiment import Options

    with _plain_errors():
        known = registry.of_command("bench")
        names = [one for one in known if not one.startswith("exactness")]
        chosen = [_named("bench", one) for one in (names if name == "all" else [name])]
        work = [(experiment, experiment.select(preset)) for experiment in chosen]
        ledger = Ledger(results / "ledger.sqlite")
        for experiment, cells in work:
            for cell in cells:
                ledger.forget_other_versions(cell.describe())
            running.run([experiment], preset, Options(), results, None, anew=True)


def _named(command: str, name: str) -> "Experiment":
    """Returns what a command calls by a name."""
    from experiments import registry
    from keras_inits.utils.validation import unknown

    known = registry.of_command(command)
    if name not in known:
        raise unknown(command, name, known)
    return known[name]


if __name__ == "__main__":
    app()
