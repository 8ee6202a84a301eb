"""Which initializer to use: a page that is made of results, and of the facts."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import keras_inits
from experiments.reporting.report import Table, mean_sd
from experiments.reporting.statistics import sign_flip_p
from keras_inits import suitability

_SIGNIFICANT = 0.05

_HEAD = """# Which initializer?

Made from committed results by `python -m experiments guide`, and from the table of
facts that `keras_inits.suitability`, `diagnose` and `compare` read: first what is
derived or shown of an activation, then what was measured here, network by network. An
initializer that is known to do harm with an activation is warned of by name before
training.
"""


@dataclass(frozen=True)
class Network:
    """A network that several initializers were compared on.

    Args:
        activation: Of its hidden layers, as Keras spells it.
        shape: Its layers, in words.
        data: What it learns, how that is scaled, and for how long.
        scores: By initializer, a name or how it is called, and seed, a number.
        quantity: What number. Defaults to accuracy in percent.
        lower: Whether less is better. Defaults to `False`.
        digits: Digits of the number. Defaults to 1.
        trained: Number above which it counts as trained, if there is one.
    """

    activation: str
    shape: str
    data: str
    scores: Mapping[str, Mapping[int, float]]
    quantity: str = "accuracy (%)"
    lower: bool = False
    digits: int = 1
    trained: float | None = None

    @property
    def ranked(self) -> list[str]:
        """The initializers of which all seeds are there, the best first."""
        seeds = max(map(len, self.scores.values()), default=0)
        whole = [name for name, of in self.scores.items() if len(of) == seeds > 1]
        sign = 1 if self.lower else -1
        return sorted(
            whole, key=lambda n: sign * statistics.fmean(self.scores[n].values())
        )

    @property
    def alike(self) -> list[str]:
        """Those that the seeds do not tell from the best, paired by seed."""
        best, *others = self.ranked
        own = self.scores[best]
        return [
            name
            for name in others
            if sign_flip_p(
                np.array([own[s] - self.scores[name][s] for s in sorted(own)])
            )
            >= _SIGNIFICANT
        ]


def page(networks: Mapping[str, Sequence[Network]]) -> str:
    """Returns the page, as Markdown.

    Args:
        networks: By name of an experiment, what it compared.

    Raises:
        ValueError: If what is best somewhere is what the table of facts warns of there.
    """
    activations = list(
        dict.fromkeys(
            activation for fact in suitability.FACTS for activation in fact.activations
        )
    )
    facts = Table(
        "",
        ["activation", "initializers", "sources"],
        [
            [
                activation,
                ", ".join(f"`{name}`" for name in suitability.fitting(activation)),
                "; ".join(dict.fromkeys(suitability.fitting(activation).values())),
            ]
            for activation in activations
        ],
    )
    harmful = ", ".join(
        f"`{fact.initializer}` (made for {' and '.join(fact.activations)})"
        for fact in suitability.FACTS
        if fact.only
    )
    parts = [
        _HEAD,
        "## What is derived or shown\n",
        facts.to_markdown(),
        f"\nKnown to do harm with other activations: {harmful}.\n",
        "## What was measured\n",
        "Best by the mean over seeds, ± their standard deviation. As good are those "
        "that a sign-flip test of pairs of seeds does not tell from it (p >= 0.05). "
        "Every row links to its run, with protocol, command and seeds. A star marks "
        "what no source above names for the activation.\n",
    ]
    measured = [
        (name, one) for name, all_ in networks.items() for one in all_ if one.ranked
    ]
    for activation in dict.fromkeys(one.activation for _, one in measured):
        rows = [
            _row(name, one) for name, one in measured if one.activation == activation
        ]
        columns = [
            "network",
            "data",
            "use",
            "",
            "as good",
            "best of the others",
            "run",
        ]
        parts += [f"### {activation}\n", Table("", columns, rows).to_markdown(), ""]
    return "\n".join(parts).rstrip() + "\n"


def _row(experiment: str, network: Network) -> list[str]:
    best, alike = network.ranked[0], network.alike
    _check(best, network)
    others = [name for name in network.ranked[1:] if name not in alike]
    mean = statistics.fmean(network.scores[best].values())
    if network.trained is not None and mean <= network.trained:
        link = f"[{experiment}](../experiments/results/{experiment}/report.md)"
        at_best = f"{mean:.{network.digits}f} {network.quantity} at best"
        return [network.shape, network.data, "none trains", at_best, "", "", link]

    def score(name: str) -> str:
        return mean_sd(list(network.scores[name].values()), network.digits)

    return [
        network.shape,
        network.data,
        _named(best, network),
        f"{score(best)} {network.quantity}, {len(network.scores[best])} seeds",
        ", ".join(_named(name, network) for name in alike),
        f"{_named(others[0], network)} {score(others[0])}" if others else "",
        f"[{experiment}](../experiments/results/{experiment}/report.md)",
    ]


def _named(name: str, network: Network) -> str:
    known = suitability.fitting(network.activation)
    return f"`{name}`" + ("" if _registered(name) in known else "\\*")


def _registered(name: str) -> str:
    """Returns the name in the table of facts of what is called with arguments."""
    called = name.partition("(")[0]
    names = {
        type(keras_inits.get(each)).__name__: each for each in keras_inits.available()
    }
    return names.get(called, name)


def _check(best: str, network: Network) -> None:
    for fact in suitability.FACTS:
        warned = fact.only and network.activation not in fact.activations
        if fact.initializer == _registered(best) and warned:
            raise ValueError(
                "What is best somewhere must not be what the table of facts warns of "
                f"there. Received: {best} on {network}"
            )
