"""Draws which part of a package imports which: `tools/import_graph.py graph.png`."""

import argparse
import ast
from collections import Counter
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]


def imports_of(path: Path, package: str) -> list[str]:
    """Lists the modules of a package that a file imports, wherever in it."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"Imports must be absolute. Received: {path}")
            base = node.module or ""
            # What is imported from the package itself may be a part of it.
            names = [f"{base}.{alias.name}" for alias in node.names]
            modules += names if base == package else [base]
    return [module for module in modules if module.split(".")[0] == package]


def part_of(module: str) -> str:
    """Returns the folder or file of the package that a module belongs to.

    Examples:
        >>> part_of("keras_inits.population.batches"), part_of("keras_inits")
        ('population', 'keras_inits')
    """
    package, *rest = module.split(".")
    return rest[0] if rest else package


def edges(package: str) -> Counter[tuple[str, str]]:
    """Counts the imports from each part of a package to each other part."""
    folder = ROOT / package
    counts: Counter[tuple[str, str]] = Counter()
    for path in folder.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        own = part_of(".".join(parts).removesuffix(".__init__"))
        for module in imports_of(path, package):
            other = part_of(module)
            # What the package itself offers is found in its parts.
            if (
                other not in (own, package)
                and (folder / f"{other}").exists() | (folder / f"{other}.py").exists()
            ):
                counts[own, other] += 1
    return counts


def levels(counts: Counter[tuple[str, str]]) -> dict[str, int]:
    """Returns how many imports in a row lead from each part to the bottom.

    Raises:
        ValueError: If parts import each other in a circle.
    """
    below: dict[str, set[str]] = {}
    for above, other in counts:
        below.setdefault(above, set()).add(other)
        below.setdefault(other, set())
    found: dict[str, int] = {}
    while len(found) < len(below):
        ready = [
            part
            for part, others in below.items()
            if part not in found and others <= found.keys()
        ]
        if not ready:
            circle = sorted(below.keys() - found.keys())
            raise ValueError(f"Parts import each other in a circle. Received: {circle}")
        for part in ready:
            found[part] = 1 + max((found[other] for other in below[part]), default=-1)
    return found


def draw(package: str) -> Figure:
    """Draws the parts of a package, each above all that it imports."""
    counts = edges(package)
    level = levels(counts)
    rows: dict[int, list[str]] = {}
    for part in sorted(level):
        rows.setdefault(level[part], []).append(part)
    widest = max(len(row) for row in rows.values())
    figure = Figure(figsize=(2.4 * widest + 2, 1.1 * len(rows) + 0.6))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    places = {
        part: (widest * (place + 1) / (len(row) + 1) + 0.18 * (height % 2), height)
        for height, row in rows.items()
        for place, part in enumerate(row)
    }
    for (above, other), count in counts.items():
        bend = 0.12 * (level[above] - level[other] - 1)
        axes.annotate(
            "",
            places[other],
            places[above],
            arrowprops={
                "arrowstyle": "->",
                "color": "#3182bd",
                "alpha": 0.7,
                "lw": min(0.5 + 0.15 * count, 3),
                "shrinkA": 12,
                "shrinkB": 12,
                "connectionstyle": f"arc3,rad={bend}",
            },
        )
    for part, (x, y) in places.items():
        box = {
            "boxstyle": "round,pad=0.4",
            "facecolor": "white",
            "edgecolor": "#444444",
        }
        axes.text(x, y, part, ha="center", va="center", bbox=box)
    axes.set_xlim(0, widest + 0.2)
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.set_axis_off()
    axes.set_title(f"{package}: an arrow is an import", loc="left")
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="The PNG file to write.")
    parser.add_argument("--package", default="keras_inits")
    arguments = parser.parse_args()
    draw(arguments.package).savefig(arguments.path, dpi=120)
