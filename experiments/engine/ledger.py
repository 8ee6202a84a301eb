"""Every member's curve, in SQLite, written as it is earned."""

import contextlib
import gzip
import json
import math
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.engine import provenance

RESERVED = frozenset({"epoch", "seconds", "versions", "recorded_at"})
"""What a row holds beside the description of its run and its quantities."""

_BUSY_TIMEOUT = 30.0  # seconds
_SCHEMA_VERSION = 1
_NOW = "TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))"
_SCHEMA = (
    f"""CREATE TABLE runs (
        id INTEGER PRIMARY KEY, description TEXT NOT NULL UNIQUE,
        versions TEXT NOT NULL, created_at {_NOW})""",
    f"""CREATE TABLE scores (
        run INTEGER NOT NULL REFERENCES runs, epoch INTEGER NOT NULL,
        quantity TEXT NOT NULL, value REAL, recorded_at {_NOW},
        PRIMARY KEY (run, epoch, quantity)) WITHOUT ROWID""",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
)
_MERGE = (
    """INSERT OR IGNORE INTO runs (description, versions, created_at)
        SELECT description, versions, created_at FROM copy.runs""",
    """INSERT OR IGNORE INTO scores
        SELECT ours.id, epoch, quantity, value, recorded_at FROM copy.scores
        JOIN copy.runs AS theirs ON theirs.id = run
        JOIN main.runs AS ours ON ours.description = theirs.description""",
)


class Ledger:
    """Keeps the curve of every run: what each quantity was after each epoch.

    A run is one member of a population, known by its full description: the same
    description is the same run, in any process and at any time. A command that is
    started again asks how many `epochs` its runs have, and goes on from there. What
    `record` was given is safe once it returns, however the process ends. Threads and
    processes may write at once.

    Examples:
        >>> ledger = Ledger(":memory:")
        >>> runs = [{"method": "lee_qr", "epochs": 2, "seed": s} for s in range(2)]
        >>> ids = [ledger.begin(run) for run in runs]
        >>> ledger.record(ids, epoch=0, values={"loss": [2.3, 2.2]})
        >>> ledger.record(ids, epoch=1, values={"loss": [1.5, float("inf")]})
        >>> ledger.epochs(runs[0])
        2
        >>> [row["loss"] for row in ledger.curves(seed=0)]
        [2.3, 1.5]
        >>> [(row["seed"], row["loss"]) for row in ledger.final(method="lee_qr")]
        [(0, 1.5), (1, inf)]

    Args:
        path: The file; it and its folders are made if missing. `":memory:"` keeps
            nothing.

    Raises:
        ValueError: If the file is of a newer version of this class.
    """

    def __init__(self, path: str | Path) -> None:
        """Opens the file, or makes it."""
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            self.path,
            timeout=_BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
        )
        weakref.finalize(self, self._connection.close)
        self._write_ahead()
        # After a power cut too, a checkpoint must not be ahead of the ledger.
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._transaction("IMMEDIATE") as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > _SCHEMA_VERSION:
                raise ValueError(
                    f"A ledger must be of schema version {_SCHEMA_VERSION}; a newer "
                    "keras-inits made this one, and reads it. "
                    f"Received: path={str(path)!r}, of schema version {version}"
                )
            if version == 0:
                for statement in _SCHEMA:
                    database.execute(statement)

    def __reduce__(self) -> tuple[type["Ledger"], tuple[Path]]:
        """Makes copies open the file anew."""
        # KerasTuner copies callbacks, and a connection has no copy.
        return type(self), (self.path,)

    def begin(self, run: Mapping[str, Any]) -> int:
        """Returns the id of the run of exactly this description, known or new.

        A new one is kept with the versions of what it runs on.

        Args:
            run: The description, of values that JSON keeps as they are. The order of
                keys means nothing. A run is finished after `run["epochs"]` epochs.

        Raises:
            ValueError: If `run` holds another value, or a `RESERVED` key.
        """
        description = _canonical("run", run)
        with self._transaction("IMMEDIATE") as database:
            database.execute(
                "INSERT OR IGNORE INTO runs (description, versions) VALUES (?, ?)",
                (description, provenance.versions()),
            )
            query = "SELECT id FROM runs WHERE description = ?"
            return int(database.execute(query, (description,)).fetchone()[0])

    def record(
        self,
        runs: Sequence[int],
        epoch: int,
        values: Mapping[str, Sequence[float] | np.ndarray],
        seconds: float | None = None,
    ) -> None:
        """Writes an epoch of some runs: all of it or nothing, in place of an older one.

        Args:
            runs: Different ids, from `begin`.
            epoch: Counted from 0.
            values: By quantity, one number for each run; NaN and infinities are kept.
                Names that are `RESERVED` or keys of a description are taken.
            seconds: What the epoch took, for all runs together.

        Raises:
            ValueError: If an argument is none of this.
        """
        if not isinstance(epoch, int | np.integer) or epoch < 0:
            raise _invalid("epoch", epoch, "a non-negative integer")
        if not values:
            raise _invalid("values", values, "at least one quantity")
        columns = {name: np.asarray(column) for name, column in values.items()}
        for name, column in columns.items():
            if column.shape != (len(runs),) or column.dtype.kind not in "biuf":
                accepted = f"one number for each of {len(runs)} runs"
                raise _invalid(f"values[{name!r}]", values[name], accepted)
        if seconds is not None:
            columns["seconds"] = np.full(len(runs), seconds)
        with self._transaction("IMMEDIATE") as database:
            query = "SELECT description FROM runs WHERE id = ?"
            texts = [database.execute(query, (run,)).fetchone() for run in set(runs)]
            if len(texts) < len(runs) or None in texts:
                raise _invalid("runs", runs, "different ids that `begin` returned")
            taken = RESERVED.union(*(json.loads(text) for (text,) in texts))
            for name in values:
                if not isinstance(name, str) or name in taken:
                    accepted = f"named other than {', '.join(sorted(taken))}"
                    raise _invalid("values", values, accepted)
            database.executemany(
                "DELETE FROM scores WHERE run = ? AND epoch = ?",
                [(run, int(epoch)) for run in runs],
            )
            database.executemany(  # NaN becomes NULL, for SQLite has none
                "INSERT INTO scores (run, epoch, quantity, value) VALUES (?, ?, ?, ?)",
                [
                    (run, int(epoch), name, value)
                    for name, column in columns.items()
                    for run, value in zip(runs, column.tolist(), strict=True)
                ],
            )

    def epochs(self, run: Mapping[str, Any]) -> int:
        """Returns how many epochs of a run are recorded, from 0 up to the first gap."""
        with self._transaction("DEFERRED") as database:
            rows = database.execute(
                "SELECT DISTINCT epoch FROM scores JOIN runs ON run = id "
                "WHERE description = ? ORDER BY epoch",
                (_canonical("run", run),),
            ).fetchall()
        return sum(epoch == index for index, (epoch,) in enumerate(rows))

    def missing(
        self, runs: Iterable[Mapping[str, Any]], epochs: int
    ) -> list[Mapping[str, Any]]:
        """Returns the runs of which fewer epochs are recorded than they have."""
        return [run for run in runs if self.epochs(run) < epochs]

    def curve(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the recorded epochs of one run, as `curves` does; none if unknown."""
        text = _canonical("run", run)
        return [row for curve in self._read({}, text) for row in curve]

    def curves(self, /, **where: Any) -> list[dict[str, Any]]:
        """Returns the recorded epochs of all runs, or of those that `where` describes.

        A row is flat: the description of the run, `epoch`, `versions`, `recorded_at`,
        and the quantities. Runs are in the order in which they began.

        Args:
            **where: Values that the description must have.

        Raises:
            ValueError: If no run could have these values.
        """
        return [row for curve in self._read(where) for row in curve]

    def descriptions(self, /, **where: Any) -> list[dict[str, Any]]:
        """Returns the descriptions of all runs, or of those that `where` describes.

        Args:
            **where: Values that the description must have.

        Raises:
            ValueError: If no run could have these values.
        """
        _canonical("where", where)
        with self._transaction("DEFERRED") as database:
            texts = database.execute("SELECT description FROM runs ORDER BY id")
            descriptions = [json.loads(text) for (text,) in texts]
        return [run for run in descriptions if where.items() <= run.items()]

    def final(self, /, **where: Any) -> list[dict[str, Any]]:
        """Returns what `curves` does, but only the last epoch of finished runs."""
        # Its index in the curve says that there is no gap before an epoch.
        return [
            row
            for curve in self._read(where)
            for index, row in enumerate(curve, 1)
            if index == row["epoch"] + 1 == row.get("epochs")
        ]

    def forget_other_versions(self, runs: Iterable[Mapping[str, Any]]) -> None:
        """Removes those of some runs that were not made by the code as it is now.

        Code that differs from its commit is other code each time. What was made on
        another backend stays.
        """
        now = provenance.versions()
        backend = json.loads(now)["backend"]
        clean = not (provenance.commit() or "-dirty").endswith("-dirty")
        with self._transaction("IMMEDIATE") as database:
            for run in runs:
                query = "SELECT id, versions FROM runs WHERE description = ?"
                row = database.execute(query, (_canonical("run", run),)).fetchone()
                if row is None or json.loads(row[1])["backend"] != backend:
                    continue
                if not (clean and row[1] == now):
                    database.execute("DELETE FROM scores WHERE run = ?", row[:1])
                    database.execute("DELETE FROM runs WHERE id = ?", row[:1])

    def save(self, path: str | Path) -> None:
        """Writes a gzipped copy of the whole ledger, for `merge`."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "ledger.sqlite"
            with self._lock:
                self._connection.execute("VACUUM INTO ?", (str(copy),))
            # Without a time in it, the same ledger makes the same file.
            Path(path).write_bytes(gzip.compress(copy.read_bytes(), mtime=0))

    def merge(self, path: str | Path) -> int:
        """Adds the epochs that are in a copy, from `save`, and not here.

        Returns:
            The number of epochs and quantities that were added.

        Raises:
            ValueError: If the copy is of a newer version of this class.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "ledger.sqlite"
            copy.write_bytes(gzip.decompress(Path(path).read_bytes()))
            Ledger(copy)  # Checks its version.
            with self._lock:
                self._connection.execute("ATTACH ? AS copy", (str(copy),))
            try:
                with self._transaction("IMMEDIATE") as database:
                    for statement in _MERGE:
                        added = database.execute(statement).rowcount
            finally:
                with self._lock:
                    self._connection.execute("DETACH copy")
        return added

    def _read(
        self, where: Mapping[str, Any], run: str | None = None
    ) -> list[list[dict[str, Any]]]:
        """Returns the curve of each run that `where` describes, or of one run."""
        _canonical("where", where)
        query = "SELECT id, description, versions FROM runs"
        query += " ORDER BY id" if run is None else " WHERE description = ?"
        known = () if run is None else (run,)
        curves = []
        with self._transaction("DEFERRED") as database:
            for run_id, *texts in database.execute(query, known):
                description, versions = map(json.loads, texts)
                if not where.items() <= description.items():
                    continue
                head = description | {"versions": versions}
                curve: dict[int, dict[str, Any]] = {}
                for epoch, quantity, value, recorded_at in database.execute(
                    "SELECT epoch, quantity, value, recorded_at FROM scores "
                    "WHERE run = ? ORDER BY epoch, quantity",
                    (run_id,),
                ):
                    about = {"epoch": epoch, "recorded_at": recorded_at}
                    row = curve.setdefault(epoch, head | about)
                    row[quantity] = math.nan if value is None else value
                curves.append(list(curve.values()))
        return curves

    def _write_ahead(self) -> None:
        """Turns on the write-ahead log, waiting for others that are about it."""
        # Of all statements this one alone does not wait for the busy timeout.
        deadline = time.monotonic() + _BUSY_TIMEOUT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection as database:
            database.execute(f"BEGIN {kind}")
            yield database


def _canonical(argument: str, description: Mapping[str, Any]) -> str:
    """Returns the one text of a description."""
    try:
        text = json.dumps(dict(description), sort_keys=True, allow_nan=False)
        kept = json.loads(text) == description
    except (TypeError, ValueError):
        kept = False
    if not kept or not RESERVED.isdisjoint(description):
        accepted = (
            "a dictionary of JSON values (str, int, finite float, bool, None, list, "
            f"dict with str keys), without {', '.join(sorted(RESERVED))}"
        )
        raise _invalid(argument, description, accepted)
    return text


def _invalid(argument: str, received: object, accepted: str) -> ValueError:
    return ValueError(
        f"`{argument}` must be {accepted}. Received: {argument}={received!r}"
    )
