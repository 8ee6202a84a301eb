"""The one rule, on drawn cases: a member is what plain `fit` would have made of it."""

import csv
import dataclasses
import hashlib
import json
import math
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_inits.population
from experiments.bench import exactness_cases
from experiments.bench.exactness_cases import EPOCHS, TABLES, Case
from experiments.engine.progress import console, finish_part, progress_bar
from experiments.reporting.report import Report, Table
from keras_inits import Population
from keras_inits.population.members import variables

TOLERANCES = {
    "float64": 1e-9,
    "float32": 2e-5,
    "mixed_bfloat16": 1.5e-2,
    "mixed_float16": 2e-3,
}
"""Largest difference between a population and plain `fit`, relative to the largest
entry of an array, or to 1 if that is more.

A sum of some tens of terms in another order differs by a few units in the last place
(2e-16, 1e-7, 8e-3, 1e-3 of what each dtype has), and ten steps pass that on; an
optimizer that divides by the size of a gradient makes more of it where terms cancel.
Lost logits change weights and loss by a tenth and more, a lost mask by hundredths.
"""
if keras.backend.backend() == "jax":
    # `keras.ops.mean`, which losses and LayerNormalization use, is in float32 there.
    TOLERANCES["float64"] = TOLERANCES["float32"]

EXCLUSIONS = (
    "On TensorFlow the gradient of an Embedding comes in parts, one each time that a "
    "word occurs in a batch; plain Keras squares, clips and takes signs of the parts, "
    "a population of their sum: Embeddings are trained with SGD here.",
    "A bias ahead of BatchNorm, and that of an attention's keys, has a gradient of "
    "rounding noise alone, of which Adam makes whole steps: there is none there.",
    "Lion's steps are the signs of gradients, and where an output saturates those are "
    "rounding noise too: it trains in float64, and nothing that saturates.",
    "On JAX, Keras takes means in float32 whatever the dtype, so that float64 agrees "
    "to the rounding of float32 there.",
    "What saturates trains in float64, and 16-bit networks with SGD, since a step that "
    "overshoots or divides makes much of a rounding error.",
    "TensorFlow rewrites the graph of a plain fit so that a product, its bias and its "
    "activation are rounded once, where a population rounds each: 16-bit networks are "
    "compared without that.",
    "Metrics that count outputs above a threshold are not compared in 16-bit networks: "
    "many an output there is equal to the threshold.",
)


@dataclasses.dataclass
class Outcome:
    """What came of a case.

    Args:
        outcome: `"equal"`, `"refused"`, `"different"` or `"error"`.
        message: What differs, or the error.
        differences: The largest of each kind, relative as for `TOLERANCES`, and how far
            the weights have moved.
        seconds: What it took.
    """

    outcome: str
    message: str = ""
    differences: dict[str, float] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0


KINDS = ("variables", "logs", "evaluate", "predict")
"""What is compared; none has the name of a table of cases, written beside it."""


def check(case: Case) -> Outcome:
    """Trains a population and each of its members alone, and compares."""
    start = time.perf_counter()
    keras.backend.clear_session()
    with exactness_cases.environment(case), warnings.catch_warnings():
        # Of plain Keras, such as that a metric was given a mask that it cannot use.
        warnings.simplefilter("ignore")
        try:
            outcome = _refused(case) if case.refusal else _compared(case)
        except Exception as error:
            trace = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(trace.filename).name}:{trace.lineno}"
            lines = [line for line in str(error).splitlines() if line.strip()]
            # TensorFlow's have a stack of files in between.
            text = " ".join(dict.fromkeys([*lines[:1], *lines[-2:]]))
            outcome = Outcome("error", f"{type(error).__name__} ({place}): {text}")
    outcome.seconds = time.perf_counter() - start
    return outcome


class Plain:
    """A plain model, traced once, that all members of a case train in turn.

    Args:
        model: It.
        case: How to compile it.
    """

    def __init__(self, model: keras.Model, case: Case) -> None:
        """Compiles the model."""
        self.model = model
        model.compile(**exactness_cases.compiled(case))
        model.optimizer.build(model.trainable_variables)
        self._unused = _values(model.optimizer.variables)

    def start(self, values: list[np.ndarray]) -> None:
        """Gives it the weights of a member, and an optimizer that has done nothing."""
        _assign(variables(self.model), values)
        _assign(self.model.optimizer.variables, self._unused)

    def fit(self, **arguments: Any) -> tuple[list[list[np.ndarray]], dict[str, Any]]:
        """Returns the weights after each epoch, and at the end, and the logs."""
        epochs: list[list[np.ndarray]] = []
        keep = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: epochs.append(_values(variables(self.model)))
        )
        history = self.model.fit(
            **arguments, epochs=EPOCHS, verbose=0, callbacks=[keep]
        )
        return [*epochs, _values(variables(self.model))], history.history


def _compared(case: Case) -> Outcome:
    data = exactness_cases.data(case)
    population = Population(exactness_cases.build(case), exactness_cases.members(case))
    population.compile(**exactness_cases.compiled(case))
    members = [population.member(index) for index in range(case.members)]
    starts = [_values(variables(member)) for member in members]

    together: list[list[np.ndarray]] = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: together.append(_stacked(population))
    )
    arguments = exactness_cases.fit_arguments(case, data, None)
    population.fit(**arguments, epochs=EPOCHS, verbose=0, callbacks=[keep])
    together.append(_stacked(population))
    logs = population.member_logs
    scoring = {"batch_size": case.batch_size, "verbose": 0}
    scores = population.evaluate(
        data.x, data.y, sample_weight=data.sample_weight, return_dict=True, **scoring
    )
    outputs = population.predict(data.x, **scoring)

    plain, comparison = Plain(members[0], case), _Comparison(TOLERANCES[case.dtype])
    alone_scores = []
    for index, start in enumerate(starts):
        plain.start(start)
        seed = population.members[index]["seed"]
        epochs, alone = plain.fit(**exactness_cases.fit_arguments(case, data, seed))
        if set(alone) != set(logs):
            return Outcome("different", f"names: {sorted(logs)}, alone {sorted(alone)}")
        for first, last in zip(start, epochs[-1], strict=True):
            comparison.move(first, last)
        for epoch, (ours, theirs) in enumerate(zip(together, epochs, strict=True)):
            for variable, own, value in zip(
                variables(plain.model), ours, theirs, strict=True
            ):
                what = f"{variable.path} of member {index} after epoch {epoch + 1}"
                comparison.add("variables", what, own[index], value)
        for name, values in alone.items():
            what = f"{name} of member {index}"
            comparison.add("logs", what, logs[name][:, index], values)
        alone_scores.append(
            plain.model.evaluate(
                data.x,
                data.y,
                sample_weight=data.sample_weight,
                return_dict=True,
                **scoring,
            )
        )
        predicted = plain.model.predict(data.x, **scoring)
        keras.tree.assert_same_structure(outputs, predicted)
        for own, value in zip(
            keras.tree.flatten(outputs), keras.tree.flatten(predicted), strict=True
        ):
            what = f"predictions of member {index}"
            comparison.add("predict", what, own[:, index], value)
    if set(scores) != set(alone_scores[0]):
        return Outcome(
            "different", f"names: {sorted(scores)}, alone {sorted(alone_scores[0])}"
        )
    for name, value in scores.items():
        mean = np.mean([alone[name] for alone in alone_scores], axis=0)
        comparison.add("evaluate", f"{name} of evaluate", value, mean)
    message = "; ".join(comparison.wrong[:3])
    outcome = "different" if comparison.wrong else "equal"
    return Outcome(outcome, message, comparison.largest | {"moved": comparison.moved})


class _Comparison:
    """Keeps the largest differences, and what differs too much.

    Args:
        tolerance: Of `TOLERANCES`.
    """

    def __init__(self, tolerance: float) -> None:
        self.largest = dict.fromkeys(KINDS, 0.0)
        self.moved = 0.0
        self.wrong: list[str] = []
        self._tolerance = tolerance

    def move(self, start: np.ndarray, end: np.ndarray) -> None:
        """Keeps how far a variable has moved."""
        distance = np.abs(end.astype("float64") - start.astype("float64"))
        self.moved = max(self.moved, float(np.max(distance, initial=0.0)))

    def add(self, kind: str, what: str, own: Any, alone: Any) -> None:
        """Compares an array of a population with that of a plain fit."""
        own, alone = (np.asarray(a).astype("float64") for a in (own, alone))
        if own.shape != alone.shape:
            difference = math.inf
        elif not np.isfinite(alone).all():
            # Nothing is proven by what is not a number; draw another case.
            raise FloatingPointError(f"{what} is {alone} in plain fit")
        else:
            size = max(1.0, float(np.max(np.abs(alone), initial=0.0)))
            difference = float(np.max(np.abs(own - alone), initial=0.0)) / size
        if not difference <= self._tolerance:
            self.wrong.append(f"{what} by {difference:.1e}")
        self.largest[kind] = max(self.largest[kind], difference)


def _refused(case: Case) -> Outcome:
    """Tells whether a population refuses what plain `fit` takes."""
    data, build = exactness_cases.data(case), exactness_cases.build(case)
    refusal = exactness_cases.REFUSALS[case.refusal]
    member = exactness_cases.members(case)[0]
    model = build(member["initializer"])
    fit = exactness_cases.fit_arguments(case, data, None)
    model.compile(**exactness_cases.compiled(case))
    model.fit(
        **{k: v for k, v in fit.items() if k != "data_order"}, epochs=1, verbose=0
    )
    fit = exactness_cases.fit_arguments(case, data, None)
    try:
        population = Population(build, exactness_cases.members(case))
        population.compile(**exactness_cases.compiled(case))
        population.fit(**fit, epochs=1, verbose=0)
    except (ValueError, TypeError, NotImplementedError) as error:
        if refusal.message in str(error):
            return Outcome("refused", str(error))
        raise
    return Outcome("different", f"{case.refusal} is not refused")


def _values(states: list[Any]) -> list[np.ndarray]:
    # Copies: TensorFlow's may be what the variable holds.
    return [np.array(keras.ops.convert_to_numpy(state.value)) for state in states]


def _assign(states: list[Any], values: list[np.ndarray]) -> None:
    for state, value in zip(states, values, strict=True):
        state.assign(value)


def _stacked(population: Population) -> list[np.ndarray]:
    """Returns each variable of the network, stacked over the members."""
    packing = population._state.packing
    return [
        np.array(keras.ops.convert_to_numpy(values))
        for values in packing.unpack([m.value for m in population._matrices])
    ]


# Reports


def run(count: int, seed: int, folder: Path) -> None:
    """Checks cases that are not in the folder yet, and writes the report.

    Args:
        count: Number of cases.
        seed: Of those that are drawn.
        folder: Of the report and the CSV.
    """
    backend = keras.backend.backend()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"cases-{backend}-{seed}.csv"
    run_of = {"revision": revision(), "run_seed": str(seed)}
    rows = [
        row for row in _read(path) if all(row[k] == own for k, own in run_of.items())
    ]
    done = {row["case"]: row for row in rows}
    chosen = exactness_cases.cases(count, seed, backend)
    with path.open("w", newline="", encoding="utf-8") as file, progress_bar() as bar:
        task = bar.add_task(f"Exactness on {backend}", total=count, logs="")
        columns = [*run_of, "case", "outcome", "message", *KINDS, "moved", "seconds"]
        columns += [field.name for field in dataclasses.fields(Case)]
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
        file.flush()
        for index, case in enumerate(chosen):
            if str(index) in done:
                bar.advance(task)
                continue
            outcome = check(case)
            differences = {k: f"{d:.1e}" for k, d in outcome.differences.items()}
            row = run_of | {
                "case": str(index),
                "outcome": outcome.outcome,
                "message": outcome.message,
                **dict.fromkeys([*KINDS, "moved"], ""),
                **differences,
                "seconds": f"{outcome.seconds:.1f}",
                **{k: str(v) for k, v in dataclasses.asdict(case).items()},
            }
            done[str(index)] = row
            writer.writerow(row)
            file.flush()
            text = f"{case.network}, {case.loss}, {case.optimizer}: {outcome.outcome}"
            finish_part(bar, task, text)
    results = [done[str(index)] for index in range(len(chosen))]
    report = _report(results, count, seed, backend)
    for part in report.parts:
        console.print(part.to_rich() if isinstance(part, Table) else part)
    (page,) = report.write(folder, f"report-{backend}-{seed}")
    console.print(page)


def revision() -> str:
    """Returns what tells the code that is checked, and that checks, from any other."""
    code = Path(keras_inits.population.__file__).parent.glob("*.py")
    files = [*sorted(code), Path(exactness_cases.__file__), Path(__file__)]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    return digest.hexdigest()[:12]


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        # A run that was killed may have left half a row.
        return [row for row in csv.DictReader(file) if None not in row.values()]


def _report(rows: list[dict[str, str]], count: int, seed: int, backend: str) -> Report:
    """Returns the report of cases."""
    outcomes = Counter(row["outcome"] for row in rows)
    seconds = [float(row["seconds"]) for row in rows]
    wrong = [row for row in rows if row["outcome"] in ("different", "error")]
    compared = [row for row in rows if row["variables"]]
    refusals = Counter(row["refusal"] for row in rows if row["outcome"] == "refused")
    dtypes = sorted({row["dtype"] for row in compared})
    coverage = [
        [
            table,
            name or "none",
            str(sum(row[table] == name for row in rows)),
        ]
        for table in TABLES
        for name in exactness_cases.rows_of(table, backend)
    ]
    return Report(
        "A member of a population is what plain `fit` makes of it",
        [
            f"`python -m experiments bench exactness --cases {count} --seed {seed}` "
            f"({_versions(backend)}), {sum(seconds) / 60:.0f} minutes, "
            f"{np.median(seconds):.1f} seconds a case. Each trains a population of 2 "
            f"or 3 members for {EPOCHS} epochs, and each member by plain `fit`; "
            "weights, losses and metrics after every epoch, `evaluate` and `predict` "
            "must agree, and the names of what is logged.",
            Table(
                "Outcomes",
                ["outcome", "cases"],
                [
                    [name, str(outcomes[name])]
                    for name in ("equal", "refused", "different", "error")
                ],
            ),
            Table(
                "Largest differences, relative to the largest entry or 1",
                ["dtype", "cases", *KINDS, "accepted"],
                [
                    [
                        dtype,
                        str(sum(row["dtype"] == dtype for row in compared)),
                        *(
                            f"{max(_floats(compared, dtype, kind)):.1e}"
                            for kind in KINDS
                        ),
                        f"{TOLERANCES[dtype]:.1e}",
                    ]
                    for dtype in dtypes
                ],
            ),
            "Weights move by "
            f"{min(float(row['moved']) for row in compared):.0e} at least, and by "
            f"{np.median([float(row['moved']) for row in compared]):.0e} in the median."
            if compared
            else "Nothing was compared.",
            Table(
                "Refusals of what plain `fit` takes",
                ["what", "cases"],
                [[what, str(number)] for what, number in sorted(refusals.items())],
            ),
            Table(
                "Different, or in error",
                ["case", "outcome", "message", "rows"],
                [
                    [
                        row["case"],
                        row["outcome"],
                        row["message"],
                        json.dumps({table: row[table] for table in TABLES}),
                    ]
                    for row in wrong
                ],
            ),
            *EXCLUSIONS,
            *_repeated_words(backend),
            Table("Cases that have a row", ["table", "row", "cases"], coverage),
        ],
    )


def _floats(rows: list[dict[str, str]], dtype: str, kind: str) -> list[float]:
    return [float(row[kind]) for row in rows if row["dtype"] == dtype]


def _versions(backend: str) -> str:
    module = __import__(backend)
    return f"Keras {keras.__version__}, {backend} {module.__version__}"


def _repeated_words(backend: str) -> list[str]:
    """Measures what the first of `EXCLUSIONS` excludes."""
    if backend != "tensorflow":
        return []
    case = exactness_cases.draw(
        np.random.default_rng(0),
        backend,
        network="embedding",
        optimizer="SGD",
        loss="sparse",
        outputs="one",
        feed="arrays",
        setting="graph",
        dtype="float64",
        refusal="",
        weights="none",
        batches=3,
    )
    differences = []
    for optimizer in ("SGD", "Adam"):
        case = dataclasses.replace(case, optimizer=optimizer)
        differences.append(check(case).differences["variables"])
    return [
        "Words that repeat within a batch, after "
        f"{EPOCHS * case.batches} steps in float64: weights differ by "
        f"{differences[0]:.0e} under SGD, and by {differences[1]:.0e} under Adam."
    ]
