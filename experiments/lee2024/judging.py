"""Claims of a paper, judged on accuracies by tests that are paired by seed."""

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from experiments.lee2024.accuracies import Accuracies
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import METHODS
from experiments.reporting.comparison import TRAINED, agreement
from experiments.reporting.report import Claim, mean_sd
from experiments.reporting.statistics import sign_flip_p

SIGNIFICANT = 0.05
"""The p of a paired test below which one method is better than another."""

Row = tuple[Cell, int]
"""A network, and the epochs after which it is validated."""

PROPOSED = ("proposed",)
OTHERS = METHODS[1:]


class Claims:
    """Makes claims of what has been run.

    Args:
        ours: Accuracies.
    """

    def __init__(self, ours: Accuracies) -> None:
        """Has made none."""
        self.ours = ours
        self.made: list[Claim] = []

    def add(
        self,
        said: str,
        rows: Sequence[Row],
        methods: Sequence[str],
        judge: Callable[[Sequence[Row]], tuple[str, bool | None]],
    ) -> None:
        """Judges a claim on the rows that have been run.

        Args:
            said: The claim.
            rows: All that it is about.
            methods: Of which it speaks.
            judge: Function of rows that returns what was measured, and whether it
                held. As long as some have not been run, with two seeds or more, it has
                not.
        """
        run = [
            row
            for row in rows
            if all(len(self.ours.scores(*row, method)) > 1 for method in methods)
        ]
        if not run:
            return
        measured, held = judge(run)
        if len(run) < len(rows):
            measured += f" ({len(run)} of {len(rows)} rows have been run)"
            held = held and None
        self.made.append((said, measured, held))

    def order(
        self,
        said: str,
        rows: Sequence[Row],
        ones: Sequence[str] = PROPOSED,
        others: Sequence[str] = OTHERS,
    ) -> None:
        """Claims that some methods, the worst of them too, are better than others.

        It holds where they are significantly higher in every row, and does not where
        they are significantly lower in one (paired by seed); else it is open.
        """
        self.add(
            said,
            rows,
            [*ones, *others],
            lambda run: judged([self.gaps(row, ones, others) for row in run]),
        )

    def number(self, said: str, widths: tuple[int, int], published: float) -> None:
        """Claims an accuracy of the proposed method, with two layers."""

        def judge(run: Sequence[Row]) -> tuple[str, bool | None]:
            scores = list(self.ours.scores(*run[0], "proposed").values())
            mark = agreement(scores, published)
            return mean_sd(scores), {"inside": True, "outside": False}.get(mark)

        rows = [row for row in self.ours.rows if row[0].widths == widths]
        self.add(said, rows, PROPOSED, judge)

    def trained(self, row: Row, method: str) -> list[bool]:
        """Tells of each seed whether it ends above `TRAINED`."""
        return [value > TRAINED for value in self.ours.scores(*row, method).values()]

    def trains_mostly(self, row: Row, method: str) -> bool:
        """Tells whether more than half of the seeds do."""
        trained = self.trained(row, method)
        return 2 * sum(trained) > len(trained)

    def trains(
        self,
        said: str,
        rows: Sequence[Row],
        do: Sequence[str],
        do_not: Sequence[str] = (),
        by: Callable[[Cell], str] | None = None,
    ) -> None:
        """Claims that some methods train, and others do not.

        A method trains where more than half of the seeds end above `TRAINED`; it holds
        if that is so in every row of those that do, and in none of those that do not.

        Args:
            said: The claim.
            rows: The networks.
            do: Methods that train.
            do_not: Methods that do not.
            by: What to count the seeds by, of a cell. Defaults to all together.
        """

        def judge(run: Sequence[Row]) -> tuple[str, bool]:
            seeds = {
                (row, method): self.trained(row, method)
                for row in run
                for method in (*do, *do_not)
            }
            counted: dict[str, list[bool]] = {}
            for (row, method), trained in seeds.items():
                what = f"{method}, {by(row[0])}" if by else method
                counted.setdefault(what, []).extend(trained)
            texts = [f"{what} {sum(of)} of {len(of)}" for what, of in counted.items()]
            held = all(
                (2 * sum(trained) > len(trained)) == (method in do)
                for (_, method), trained in seeds.items()
            )
            return "seeds that train: " + "; ".join(texts), held

        self.add(said, rows, [*do, *do_not], judge)

    def gaps(self, row: Row, ones: Sequence[str], others: Sequence[str]) -> np.ndarray:
        """Returns by how much the worst of some beats the best of others, by seed."""

        def mean(method: str) -> float:
            return statistics.fmean(self.ours.scores(*row, method).values())

        one = self.ours.scores(*row, min(ones, key=mean))
        other = self.ours.scores(*row, max(others, key=mean))
        return np.array(
            [one[seed] - other[seed] for seed in sorted(one.keys() & other)]
        )


def judged(gaps: Sequence[np.ndarray]) -> tuple[str, bool | None]:
    """Judges an order by the differences of all seeds, row by row."""
    gaps = [of for of in gaps if len(of)]
    if not gaps:
        return "no seed has been run with both", None
    means = [float(of.mean()) for of in gaps]
    sure = [sign_flip_p(of) < SIGNIFICANT for of in gaps]
    pairs = list(zip(means, sure, strict=True))
    better = sum(p and mean > 0 for mean, p in pairs)
    worse = sum(p and mean < 0 for mean, p in pairs)
    measured = (
        f"higher in {sum(mean > 0 for mean in means)} of {len(gaps)} rows, "
        f"significantly in {better}; significantly lower in {worse}; by "
        f"{min(means):+.1f} to {max(means):+.1f} points"
    )
    if worse:
        return measured, False
    return measured, True if better == len(gaps) else None
