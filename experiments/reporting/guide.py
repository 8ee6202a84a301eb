"""Which initializer to use: a page that is made of results, and of the facts."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import keras_inits
from experiments.reporting import verdicts
from experiments.reporting.report import Table, mean_sd
from keras_inits import suitability

_HEAD = """# Which initializer?

Made from committed results by `python -m experiments guide`, and from the table of
facts that `keras_inits.suitability`, `diagnose` and `compare` read: first what is
derived or shown of an activation, then what was measured here, network by network. An
initializer that is derived from one activation alone is warned of by name, before
training, in layers of another.
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
        whole = [
            name
            for name, of in self.scores.items()
            if len(of) == seeds > 1 and np.isfinite(list(of.values())).all()
        ]
        return sorted(whole, key=self.mean, reverse=not self.lower)

    def mean(self, name: str) -> float:
        """Returns the mean of an initializer over its seeds."""
        return statistics.fmean(self.scores[name].values())

    def told_apart(self, name: str, other: str) -> bool:
        """Tells whether two differ by more than their seeds, paired, explain."""
        gaps = [self.scores[name][s] - self.scores[other][s] for s in self.scores[name]]
        return verdicts.p_value(np.array(gaps)) < verdicts.SIGNIFICANT

    def trains(self, name: str) -> bool:
        """Tells whether it counts as trained."""
        return self.trained is None or self.mean(name) > self.trained

    def warned_of(self, name: str) -> bool:
        """Tells whether the table of facts warns of an initializer here."""
        return any(
            fact.initializer == _registered(name)
            and fact.only
            and self.activation not in fact.activations
            for fact in suitability.FACTS
        )


def page(networks: Mapping[str, Sequence[Network]]) -> str:
    """Returns the page, as Markdown.

    Args:
        networks: By name of an experiment, what it compared.

    Raises:
        ValueError: If what the table of facts warns of is better somewhere, by more
            than seeds explain, than all that it does not warn of.
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
        f"\nDerived from one activation alone, and warned of elsewhere: {harmful}.\n",
        "## What was measured\n",
        "Best by the mean over seeds, ± their standard deviation. As good are those "
        "that train and that a t-test of pairs of seeds does not tell from it (p >= "
        "0.05). "
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
    ranked = [name for name in network.ranked if not network.warned_of(name)]
    link = f"[{experiment}](../experiments/results/{experiment}/report.md)"
    start = [network.shape, network.data]
    _check(ranked, network)
    if not ranked or not network.trains(ranked[0]):
        best = f"{network.mean(network.ranked[0]):.{network.digits}f}"
        return [
            *start,
            "none trains",
            f"{best} {network.quantity} at best",
            "",
            "",
            link,
        ]
    best, *others = ranked
    alike = [
        name
        for name in others
        if network.trains(name) and not network.told_apart(best, name)
    ]
    behind = [name for name in network.ranked[1:] if name not in alike]

    def score(name: str) -> str:
        return mean_sd(list(network.scores[name].values()), network.digits)

    return [
        *start,
        _named(best, network),
        f"{score(best)} {network.quantity}, {len(network.scores[best])} seeds",
        ", ".join(_named(name, network) for name in alike),
        f"{_named(behind[0], network)} {score(behind[0])}" if behind else "",
        link,
    ]


def _check(ranked: Sequence[str], network: Network) -> None:
    """Raises an error where what is warned of is better than all that is not."""
    best = network.ranked[0]
    if not network.warned_of(best) or not network.trains(best):
        return
    if not ranked or network.told_apart(best, ranked[0]):
        raise ValueError(
            "What is best somewhere must not be what the table of facts warns of "
            f"there: one of them is wrong. Received: {best} on {network}"
        )


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
