"""Lee et al. (2024): what sections 4.3 to 4.6 say in words, and what became of it."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from experiments.lee2024.accuracies import Accuracies
from experiments.lee2024.judging import (
    OTHERS,
    PROPOSED,
    SIGNIFICANT,
    Claims,
    Row,
    judged,
)
from experiments.lee2024.protocol import METHODS
from experiments.reporting.comparison import CHANCE
from experiments.reporting.report import Claim
from experiments.reporting.statistics import sign_flip_p

SIMILAR = 10.0
"""Points by which methods may differ that the paper calls similar: in its own rows of
512 units the best of the others is ahead of the proposed one by up to 8.3."""

STEADY = 5.0
"""Points within which an accuracy is maintained."""

_RANDOM = ("orthogonal", "xavier", "he", "rai", "gsm")


def table1(ours: Accuracies) -> list[Claim]:
    """Returns what section 4.3 says of Table 1."""
    claims = Claims(ours)
    bare, narrow, wide = (
        [row for row in ours.rows if row[0].hidden == units]
        for units in ("0", "16", "512")
    )
    claims.order(
        "4.3: without hidden layers the proposed method is the best after 10 epochs, "
        "whatever the number of samples",
        [row for row in bare if row[1] == 10],
    )
    alike = ("proposed", "zero", "identity")
    for orientation, of in (
        ("", ours),
        (
            ', ZerO as "an identity matrix when the number of rows is less than the '
            'number of columns"',
            replace(ours, protocol=replace(ours.protocol, zero_transpose=False)),
        ),
    ):
        turned = Claims(of)
        turned.order(
            "4.3: without hidden layers proposed, ZerO and identity are better than "
            f"the random methods{orientation}",
            bare,
            alike,
            _RANDOM,
        )
        claims.made += turned.made
    if claims.made:
        claims.made.append(
            (
                "4.3: even for few samples all three have a good performance",
                "what is good has no measure; the rows above have few samples too",
                None,
            )
        )
    pairs = {
        (cell.dataset, cell.samples_per_class, epochs): (cell, epochs)
        for cell, epochs in narrow
    }

    def wider(rows: Sequence[Row]) -> tuple[str, bool | None]:
        gaps = []
        for cell, epochs in rows:
            other = pairs[cell.dataset, cell.samples_per_class, epochs]
            by_method = [
                [ours.scores(*row, method) for row in ((cell, epochs), other)]
                for method in METHODS
            ]
            seeds = set.intersection(*(set(s) for both in by_method for s in both))
            gaps.append(
                np.array(
                    [
                        statistics.fmean(w[seed] - n[seed] for w, n in by_method)
                        for seed in sorted(seeds)
                    ]
                )
            )
        return judged(gaps)

    claims.add(
        "4.3: narrow networks learn less than wide ones (512 units above 16, mean of "
        "all methods)",
        [
            row
            for row in wide
            if (other := pairs.get((row[0].dataset, row[0].samples_per_class, row[1])))
            and all(ours.scores(*other, method) for method in METHODS)
        ],
        METHODS,
        wider,
    )
    claims.order("4.3: with 16 units the proposed method surpasses all others", narrow)

    def similar(rows: Sequence[Row]) -> tuple[str, bool]:
        leads = [float(claims.gaps(row, PROPOSED, OTHERS).mean()) for row in rows]
        return (
            f"by {min(leads):+.1f} to {max(leads):+.1f} points",
            max(map(abs, leads)) <= SIMILAR,
        )

    claims.add(
        "4.3: with 512 units the proposed method is similar to the others (within "
        f"{SIMILAR:g} points of the best of them)",
        wide,
        METHODS,
        similar,
    )

    def declines(rows: Sequence[Row]) -> tuple[str, bool | None]:
        early, *_, late = (ours.scores(*row, "proposed") for row in rows)
        gaps = np.array(
            [late[seed] - early[seed] for seed in sorted(early & late.keys())]
        )
        p = sign_flip_p(gaps)
        return (
            f"by {gaps.mean():+.1f} points, p = {p:.3f}",
            bool(gaps.mean() < 0) if p < SIGNIFICANT else None,
        )

    of_one = [
        (cell, epochs)
        for cell, epochs in bare
        if (cell.dataset, cell.samples_per_class) == ("fashion_mnist", 1)
    ]
    # Both have seeds in common, or there is no decline to speak of.
    if len(of_one) > 1 and set.intersection(
        *(set(ours.scores(*row, "proposed")) for row in of_one)
    ):
        claims.add(
            "4.3: with one sample a class of Fashion-MNIST and no hidden layer the "
            "proposed method declines from 10 to 100 epochs",
            of_one,
            PROPOSED,
            declines,
        )
    return claims.made


def table2(ours: Accuracies) -> list[Claim]:
    """Returns what sections 4.4 and 4.6 say of 120 layers."""
    claims = Claims(ours)
    family = [row for row in ours.rows if row[0].activation in ("relu", "gelu", "selu")]
    claims.order(
        "4.6: with ReLU, GELU and SELU the proposed method outperforms all others",
        family,
    )
    claims.trains(
        "4.6: of these whether the proposed method trains does not depend on the "
        "activation",
        family,
        PROPOSED,
        by=lambda cell: f"{cell.activation} on {cell.dataset}",
    )
    claims.trains(
        "4.4: of 120 layers with ReLU only those of the proposed method and of ZerO "
        "train",
        [row for row in ours.rows if row[0].activation == "relu"],
        ("proposed", "zero"),
        ("orthogonal", "xavier", "he", "identity", "rai", "gsm"),
    )
    return claims.made


def figure3(ours: Accuracies) -> list[Claim]:
    """Returns what section 4.4 says of depth."""
    claims = Claims(ours)
    equal = [row for row in ours.rows if len(row[0].widths) == 1]

    def rows(dataset: str, width: int, *depths: int) -> list[Row]:
        return [
            row
            for row in equal
            if (row[0].dataset, row[0].widths) == (dataset, (width,))
            if not depths or row[0].depth in depths
        ]

    claims.trains(
        "4.4: the proposed method trains at all depths, with 10 units and with 4",
        equal,
        PROPOSED,
        by=lambda cell: f"{cell.widths[0]} units",
    )
    for width in (10, 4):
        claims.order(
            f"4.4: in deep networks (20 layers and more) of {width} units it has a "
            "higher accuracy than all others",
            [row for row in equal if row[0].widths == (width,) and row[0].depth >= 20],
        )
    shallow = (1, 2, 5, 10, 20, 50)
    randomized = ("rai", "gsm")
    claims.trains(
        "4.4: with 10 units RAI and GSM train on MNIST up to 50 layers",
        rows("mnist", 10, *shallow),
        randomized,
        by=lambda cell: f"{cell.depth} layers",
    )
    claims.trains("4.4: and hardly with 100", rows("mnist", 10, 100), (), randomized)
    claims.trains(
        "4.4: and hardly on Fashion-MNIST with 50 or 100",
        rows("fashion_mnist", 10, 50, 100),
        (),
        randomized,
        by=lambda cell: f"{cell.depth} layers",
    )
    claims.order(
        "4.4: with 10 units on MNIST ZerO is lower than the proposed method at all "
        "depths",
        rows("mnist", 10),
        PROPOSED,
        ("zero",),
    )
    claims.trains(
        "4.4: with 10 units ZerO trains at all depths",
        [row for row in equal if row[0].widths == (10,)],
        ("zero",),
        by=lambda cell: cell.dataset,
    )

    def unstable(of: Sequence[Row]) -> tuple[str, bool]:
        texts = [
            f"{row[0].depth} layers {sum(trained)} of {len(trained)}"
            for row in of
            for trained in [claims.trained(row, "zero")]
        ]
        fails = any(not claims.trains_mostly(row, "zero") for row in of)
        return "seeds that train: " + ", ".join(texts), fails

    claims.add(
        "4.4: with 4 units on Fashion-MNIST ZerO is unstable: it does not train at all "
        "depths",
        rows("fashion_mnist", 4),
        ("zero",),
        unstable,
    )

    def stands_out(of: Sequence[Row]) -> tuple[str, bool]:
        texts, held = [], []
        for row in of:
            train = [method for method in METHODS if claims.trains_mostly(row, method)]
            others = len(set(train) - set(PROPOSED))
            texts.append(f"{row[0].dataset}: {', '.join(train) or 'none'}")
            held.append("proposed" in train and 2 * others < len(OTHERS))
        return "more than half of the seeds train; " + "; ".join(texts), all(held)

    claims.add(
        "4.4: with 4 units most methods do not train 100 layers, and the proposed does",
        [row for row in equal if (row[0].widths, row[0].depth) == ((4,), 100)],
        METHODS,
        stands_out,
    )

    def varies(of: Sequence[Row]) -> tuple[str, bool | None]:
        ((cell, _),) = of
        falls = {
            method: {
                seed: statistics.fmean(
                    max(0.0, one - other)
                    for one, other in itertools.pairwise(
                        curve[epoch] for epoch in sorted(curve)
                    )
                )
                for seed, curve in ours.by_seed(cell, method).items()
                if len(curve) > 1
            }
            for method in ("proposed", *randomized)
        }
        gaps = [
            np.array(
                [
                    falls[m][s] - falls["proposed"][s]
                    for s in sorted(falls[m].keys() & falls["proposed"])
                ]
            )
            for m in randomized
        ]
        means = {m: statistics.fmean(of.values()) for m, of in falls.items()}
        text = ", ".join(f"{method} {value:.2f}" for method, value in means.items())
        return "points lost an epoch, mean of seeds: " + text, judged(gaps)[1]

    for depth in (40, 80):
        claims.add(
            f"4.4: with {depth} layers of 10 and 6 units RAI and GSM go up and down "
            "over epochs, and the proposed method does not",
            [row for row in ours.rows if row[0].hidden == f"10-6x{depth}"],
            ("proposed", *randomized),
            varies,
        )
    return claims.made


def figure4(ours: Accuracies) -> list[Claim]:
    """Returns what section 4.5 says of two narrow layers."""
    claims = Claims(ours)
    claims.number(
        "4.5: with 2 and 2 units the proposed method has 54.3 %", (2, 2), 54.3
    )
    _narrow(claims, "after 10 epochs")
    return claims.made


def figure5(ours: Accuracies) -> list[Claim]:
    """Returns what section 4.5 says of two narrow layers after one epoch."""
    claims = Claims(ours)
    claims.number(
        "4.5: after one epoch with 2 and 4 units the proposed method has 25 %",
        (2, 4),
        25,
    )
    _narrow(claims, "after one epoch")
    claims.order(
        "4.5: the proposed method converges faster than all others: it is ahead after "
        "one epoch",
        ours.rows,
    )
    return claims.made


def tabular(ours: Accuracies) -> list[Claim]:
    """Returns what section 4.4 says of tables."""
    claims = Claims(ours)
    for dataset in dict.fromkeys(cell.dataset for cell, _ in ours.rows):
        claims.order(
            f"4.4: on {dataset} the proposed method is better than ZerO, Orthogonal, "
            "RAI and He",
            [row for row in ours.rows if row[0].dataset == dataset],
            PROPOSED,
            ("zero", "orthogonal", "rai", "he"),
        )

    def steady(rows: Sequence[Row]) -> tuple[str, bool]:
        ((cell, epochs),) = rows
        tenth, last = (
            statistics.fmean(ours.scores(cell, epoch, "proposed").values())
            for epoch in (min(10, epochs), epochs)
        )
        return f"{tenth:.1f} %, and {last:.1f} % at the end", tenth >= last - STEADY

    claims.add(
        "4.4: on Iris it is there at the 10th epoch, and stays",
        [row for row in ours.rows if row[0].dataset == "iris"],
        PROPOSED,
        steady,
    )
    return claims.made


def _narrow(claims: Claims, when: str) -> None:
    ours = claims.ours
    claims.trains(
        f"4.5: {when} the proposed method has learnt something with all pairs of "
        "widths",
        ours.rows,
        PROPOSED,
    )

    def lowest(rows: Sequence[Row]) -> tuple[str, bool]:
        values = {
            method: min(
                statistics.fmean(ours.scores(*row, method).values()) for row in rows
            )
            for method in OTHERS
        }
        return (
            ", ".join(f"{method} {value:.1f}" for method, value in values.items()),
            max(values.values()) <= CHANCE[1],
        )

    claims.add(
        f"4.5: {when} each other method is at chance with some pair",
        ours.rows,
        METHODS,
        lowest,
    )
