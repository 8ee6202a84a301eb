"""What the report of a search shows: who trains, and whether epsilon matters."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from experiments.deep_narrow import dead_units, plots
from experiments.engine.frame import Results
from experiments.reporting.report import Part, Table, mean_sd

_VALUES = "values."


def report(results: Results, folder: Path) -> list[Part]:
    """Tables of all trials, whether epsilon matters, and pictures.

    Args:
        results: Of one `Search`, and of its trials.
        folder: Where pictures go.
    """
    (search,) = results.cells
    title = search.name
    frame = results.frame
    of_search = frame["chance"].notna()
    chance = float(frame["chance"][of_search].iloc[0])
    trials = Results(results.cells, frame[~of_search], results.described)
    points = _points(trials)
    parts: list[Part] = []
    for network, of_network in plots.by_network(points).items():
        rows = [
            [
                plots.kind(point["values"]),
                f"{point['values']['epsilon']:.4g}"
                if "epsilon" in point["values"]
                else "",
                mean_sd([100 * score for score in point["scores"].values()]),
                str(sum(score > 1.5 * chance for score in point["scores"].values())),
                f"{100 * point['dead']:.0f}",
            ]
            for point in of_network
        ]
        seeds = len(of_network[0]["scores"])
        heading = ", ".join(text for text in (title, network) if text)
        columns = ["initializer", "ε", "mean ± sd", f"seeds of {seeds} that train"]
        table = Table(
            f"Validation accuracy (%) on {heading}", [*columns, "dead (%)"], rows
        )
        parts += [table, *epsilon_matters(of_network)]
    parts.append(
        "A seed counts as trained above one and a half times chance "
        f"({100 * chance:.1f} %). Accuracy is that after the last epoch on 15 % of the "
        "samples, drawn anew for each seed and shared by all initializers. Dead units "
        f"are active for none of the first {dead_units.LOOKED_AT} samples after the "
        "last epoch; their part is a mean over seeds."
    )
    parts.append(plots.scores(points, chance, title, folder / "accuracy.png"))
    if over_epsilon := plots.epsilon(points, title, folder / "epsilon.png"):
        parts.append(over_epsilon)
    values = [_values(row) for row in trials.rows]
    frame = trials.frame.assign(
        network=[plots.network(of_row) for of_row in values],
        label=[plots.label(of_row) for of_row in values],
    )
    networks = list(plots.by_network(points))
    path = folder / "dead_units.png"
    return [*parts, dead_units.picture(frame, networks, title, path)]


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
        of_method = [
            result for result in tried if plots.kind(result["values"]) == method
        ]
        if len(of_method) < 3:
            continue
        scores = [[100 * score for score in r["scores"].values()] for r in of_method]
        best = max(of_method, key=lambda result: result["mean"])
        low, high = min(r["mean"] for r in of_method), best["mean"]
        spread = 100 * statistics.median(result["sd"] for result in of_method)
        p = 1.0  # of ranks that are all tied
        if np.ptp(scores, axis=0).any():
            p = float(scipy.stats.friedmanchisquare(*scores).pvalue)
        answer = "matters" if p < 0.05 else "makes no difference that these seeds show"
        values = [result["values"]["epsilon"] for result in of_method]
        sentences.append(
            f"{method}: ε between {min(values):.4g} and {max(values):.4g} {answer} "
            f"(Friedman's test over seeds, p = {p:.2g}): mean accuracy "
            f"{100 * low:.1f} to {100 * high:.1f} %, where seeds of one ε differ by "
            f"{spread:.1f} (sd). Best is ε = {best['values']['epsilon']:.4g}."
        )
    return sentences


def _points(results: Results) -> list[dict[str, Any]]:
    """Returns the trials, best first, in the form of `PopulationTuner.results`."""
    points: dict[str, dict[str, Any]] = {}
    for row in results.rows:
        values = _values(row)
        point = points.setdefault(repr(values), {"values": values, "scores": {}})
        point["scores"][row["seed"]] = row["val_accuracy"]
        point.setdefault("dead_fractions", []).append(row["dead_fraction"])
    for point in points.values():
        scores = list(point["scores"].values())
        point["mean"] = statistics.fmean(scores)
        point["sd"] = statistics.stdev(scores) if len(scores) > 1 else 0.0
        point["dead"] = statistics.fmean(point["dead_fractions"])
    return sorted(points.values(), key=lambda point: -point["mean"])


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(_VALUES): value
        for name, value in row.items()
        if name.startswith(_VALUES) and value is not None
    }
