"""The report of residual ReLU networks: which channels die, and what they learn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.stats

from experiments.engine.frame import Results
from experiments.engine.networks import residual
from experiments.poli2024 import residual_pictures
from experiments.poli2024.channels import LOOKED_AT, NEAR_DEAD
from experiments.poli2024.methods import METHODS
from experiments.poli2024.residual import (
    COMPARED,
    Cell,
    Forecast,
    Networks,
    Start,
)
from experiments.poli2024.residual_pictures import Known
from experiments.reporting import guide, verdicts
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd
from keras_inits import suitability

OURS = "yilmaz_poli"
OTHERS = tuple(method for method in COMPARED if method != OURS)

MANY = 0.1
"""Part of the channels from which they are a significant proportion."""

TRAINED = 2.0
"""Times chance that the accuracy of a network has that counts as trained."""


def report(results: Results, folder: Path) -> list[Part]:
    """Dead and near-dead channels at the start and in training, and accuracies.

    Args:
        results: Of `Start`s, `Cell`s and `Forecast`s.
        folder: Where the pictures go.
    """
    pairs = [(cell, _of(results.frame, cell)) for cell in results.cells]
    known = [(cell, rows) for cell, rows in pairs if len(rows)]
    starts, trained, forecasts = (
        [(cell, rows) for cell, rows in known if isinstance(cell, kind)]
        for kind in (Start, Cell, Forecast)
    )
    claims = [
        *_exacerbated(starts),
        *_poor(trained),
        *_hidden(starts, trained),
    ]
    parts: list[Part] = []
    if starts:
        parts += [
            _at_the_start(starts),
            residual_pictures.near_dead(starts, folder / "near-dead.png"),
        ]
    if trained:
        parts += [
            _in_training(trained),
            residual_pictures.epochs(trained, folder / "epochs.png"),
        ]
    if foretold := _foretold(forecasts, trained):
        table, claim = foretold
        parts.append(table)
        claims.append(claim)
    if claims:
        parts.insert(0, claims_table("What the letter says, and what follows", claims))
    return [*parts, *_notes(results.cells)]


def networks(results: Results) -> list[guide.Network]:
    """Returns what was compared, for the guide to initializers."""
    found = []
    for cell in results.cells:
        if not isinstance(cell, Cell):
            continue
        last = _last(cell, _of(results.frame, cell))
        scores: dict[str, dict[int, float]] = {}
        for row in last.to_dict("records"):
            of_method = scores.setdefault(METHODS[row["method"]], {})
            of_method[row["seed"]] = 100 * row["val_accuracy"]
        found.append(
            guide.Network(
                "relu",
                f"{cell.network}, {cell.normalization}",
                f"{cell.data}, {cell.epochs} epochs",
                scores,
                trained=100 * TRAINED / cell.classes,
            )
        )
    return found


def _of(frame: pd.DataFrame, cell: Networks) -> pd.DataFrame:
    """Returns the rows of a cell's runs that are finished."""
    rows = frame[frame["kind"] == cell.kind]
    for name in ("dataset", "layers", "width", "scaling", "normalized"):
        rows = rows[rows[name] == getattr(cell, name)]
    return verdicts.finished(rows, cell.rows_per_run)


def _last(cell: Cell, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["epoch"] == cell.epochs - 1]


def _by_seed(rows: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Returns a quantity by method and seed, the mean over layers or epochs."""
    return rows.groupby(["method", "seed"])[quantity].mean().unstack()


def _percent(by_seed: pd.DataFrame, method: str) -> str:
    return mean_sd(verdicts.of_seeds(100 * by_seed, method))


def _shown(by_seed: pd.DataFrame) -> str:
    return ", ".join(f"{m} {100 * by_seed.loc[m].mean():.1f} %" for m in COMPARED)


def _gaps(by_seed: pd.DataFrame) -> list[np.ndarray]:
    """Returns by how much ours is above each other, seed by seed."""
    return [(by_seed.loc[OURS] - by_seed.loc[rival]).to_numpy() for rival in OTHERS]


def _at_the_start(starts: Known) -> Table:
    rows = []
    for cell, of_cell in starts:
        first = of_cell[of_cell["epoch"] == 0]
        values = [
            _by_seed(first, "near_dead"),
            *(_by_seed(of_cell, name) for name in ("dead", "near_dead", "rare")),
        ]
        rows += [
            [f"{cell.form}: {method}", *(_percent(of, method) for of in values)]
            for method in COMPARED
            if method in values[0].index
        ]
    columns = [
        "",
        "near dead, first layer (%)",
        "dead, mean of layers (%)",
        "near dead",
        "rarely active",
    ]
    return Table("At the start", columns, rows)


def _exacerbated(starts: Known) -> list[Claim]:
    """Judges what is said of units at the start."""
    claims: list[Claim] = []
    for cell, rows in starts:
        if not verdicts.have_all(rows, COMPARED, cell.seeds):
            continue
        near, name = _by_seed(rows, "near_dead"), cell.form
        claims.append(
            (
                f"2.2: a negative mean exacerbates the problem of dead units, {name} "
                "(near dead at the start, mean of layers)",
                _shown(near),
                verdicts.above_zero(_gaps(near)),
            )
        )
        if cell.scaling != "unit" or cell.normalized:
            continue
        first = _by_seed(rows[rows["epoch"] == 0], "near_dead").loc[OURS].to_numpy()
        he = _by_seed(rows, "dead").loc["he"].to_numpy()
        claims += [
            (
                f"2.2: with positive inputs most units of the first layer are dead or "
                f"near dead with it, {name}",
                f"{100 * first.mean():.1f} %",
                verdicts.within(first, 0.5, np.inf),
            ),
            (
                f"2.2: with a mean of 0 a significant proportion is born dead, {name} "
                f"(he, mean of layers, at least {MANY:.0%})",
                f"{100 * he.mean():.1f} %",
                verdicts.within(he, MANY, np.inf),
            ),
        ]
    return claims


def _in_training(trained: Known) -> Table:
    rows = []
    for cell, of_cell in trained:
        assert isinstance(cell, Cell)
        last = _last(cell, of_cell)
        names = ("val_accuracy", "dead", "near_dead", "rare")
        values = [_by_seed(last, name) for name in names]
        rows += [
            [f"{cell.form}: {method}", *(_percent(of, method) for of in values)]
            for method in COMPARED
            if method in values[0].index
        ]
    columns = ["", "test accuracy (%)", "dead (%)", "near dead", "rarely active"]
    return Table("Trained, after the last epoch", columns, rows)


def _poor(trained: Known) -> list[Claim]:
    """Judges whether accuracy follows."""
    claims: list[Claim] = []
    for cell, rows in trained:
        assert isinstance(cell, Cell)
        if verdicts.have_all(rows, COMPARED, cell.seeds):
            accuracy = _by_seed(_last(cell, rows), "val_accuracy")
            claims.append(
                (
                    f"2.2: and so it scores poorly, {cell.form} (test accuracy after "
                    f"{cell.epochs} epochs, lower than all others)",
                    _shown(accuracy),
                    verdicts.above_zero([-gap for gap in _gaps(accuracy)]),
                )
            )
    return claims


def _hidden(starts: Known, trained: Known) -> list[Claim]:
    """Judges whether normalization hides what a negative mean does.

    It does where by it fewer channels are near dead at the start, or less accuracy is
    lost to the mean of the other methods, with the same seeds.
    """
    claims: list[Claim] = []
    for cells, quantity, what in (
        (starts, "near_dead", "near dead at the start"),
        (trained, "val_accuracy", "accuracy lost to the others, points"),
    ):
        by_form = {
            f"{cell.network}, {cell.data}": dict[bool, np.ndarray]()
            for cell, _ in cells
        }
        for cell, rows in cells:
            if not verdicts.have_all(rows, COMPARED, cell.seeds):
                continue
            last = _last(cell, rows) if isinstance(cell, Cell) else rows
            by_seed = 100 * _by_seed(last, quantity)
            ours = by_seed.loc[OURS].to_numpy()
            if isinstance(cell, Cell):
                ours = by_seed.loc[list(OTHERS)].mean().to_numpy() - ours
            by_form[f"{cell.network}, {cell.data}"][cell.normalized] = ours
        for form, ends in by_form.items():
            if len(ends) == 2:
                claims.append(
                    (
                        f"Ours: batch normalization hides it, {form} ({what})",
                        f"{ends[False].mean():.1f} without, {ends[True].mean():.1f} "
                        "with",
                        verdicts.above_zero([ends[False] - ends[True]]),
                    )
                )
    return claims


def _foretold(forecasts: Known, trained: Known) -> tuple[Table, Claim] | None:
    """Sets what `diagnose` said beside what became of the same networks."""
    said = {
        (cell.form, row["method"], row["seed"]): (row["will_train"], row["uncertain"])
        for cell, rows in forecasts
        for row in rows.to_dict("records")
    }
    rows, both = [], []
    for cell, of_cell in trained:
        assert isinstance(cell, Cell)
        for row in _last(cell, of_cell).to_dict("records"):
            known = said.get((cell.form, row["method"], row["seed"]))
            if known is None:
                continue
            times = row["val_accuracy"] * cell.classes
            both.append((bool(known[0]), times >= TRAINED))
            words = "will train" if known[0] else "will not train"
            rows.append(
                [
                    f"{cell.form}: {row['method']}",
                    words + (", uncertain" if known[1] else ""),
                    f"{100 * row['val_accuracy']:.1f}",
                    "yes" if both[-1][0] == both[-1][1] else "no",
                ]
            )
    if not rows:
        return None
    right = sum(one == other for one, other in both)
    counts = [
        [both.count((one, other)) for other in (True, False)] for one in (True, False)
    ]
    # One-sided: whether those that it says will train are rather those that do.
    p = float(scipy.stats.fisher_exact(counts, alternative="greater").pvalue)
    held = True if p < verdicts.SIGNIFICANT else None
    (did, _), (missed, not_) = counts
    claim = (
        f"Ours: `diagnose` foretells it (test accuracy of {TRAINED:g} times chance)",
        f"right in {right} of {len(both)}; of {missed + not_} that it says will not "
        f"train {not_} do not, of {len(both) - missed - not_} that will, {did} do "
        f"(p = {p:.2g})",
        held,
    )
    columns = ["", "`diagnose`, before", "test accuracy, after (%)", "right"]
    return Table("Foretold", columns, rows), claim


def _notes(cells: Sequence[Networks]) -> list[str]:
    some = next(iter(cells))
    model = residual((8, 8, 1), 10, some.layers, 2, some.normalized)
    misfits = suitability.misfits(model, OURS)
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    narrow = {cell.width for cell in cells if isinstance(cell, Cell)}
    widths = ", ".join(str(width) for width in sorted(narrow))
    return [
        f"`initialize(model, '{OURS}')` warns beforehand, of {len(misfits)} of the "
        f"{len(kernels)} layers with kernels of ResNet-{some.layers}. {misfits[0]}",
        f"Channels of ReLU layers are looked at on {LOOKED_AT} images that are not "
        "trained on. One is active on an image where it is at any place, and near dead "
        f"where that is less than {NEAR_DEAD:.0%} of them; rarely active is one at "
        f"less than {NEAR_DEAD:.0%} of all places, the patches that it sees. Trained "
        f"with Adam at 0.001, batches of 128, {widths} channels in the first stage "
        "(those of He et al. have 64; with fewer inputs a mean of -8 / inputs is "
        "larger beside the standard deviation of 0.1, and more channels are dead: "
        "starts of both are above). All layers start by the method, the last one too, "
        "and biases at 0 (RAI draws them). To look at channels normalization is by the "
        "images that are looked at. p by paired t-tests over seeds.",
    ]
