"""Clocks, and processes with as many threads for TensorFlow as what they time has."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

DEPTH, BATCH, ROUNDS = 120, 100, 5


def interleaved(
    calls: Mapping[str, Callable[[], Any]], rounds: int
) -> Iterator[dict[str, float]]:
    """Yields the seconds of each call, made in turn, after one that does not count."""
    for call in calls.values():
        call()
    for _ in range(rounds):
        yield {name: timed(call) for name, call in calls.items()}


def timed(call: Callable[[], Any]) -> float:
    """Returns the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def worker(
    target: Callable[..., None],
    threads: int | None,
    *args: Any,
    at_once: int | None = None,
) -> Connection:
    """Starts a process in which TensorFlow has threads of its own.

    Args:
        target: What runs there; its first argument is its end of a pipe.
        threads: Threads of one operation; `None` for TensorFlow's default.
        *args: Further arguments of `target`.
        at_once: Operations at once. Defaults to TensorFlow's, the number of cores.
    """
    here, there = multiprocessing.Pipe()
    wanted = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": at_once}
    before = {name: os.environ.pop(name, None) for name in wanted}
    os.environ.update({n: str(count) for n, count in wanted.items() if count})
    try:
        context = multiprocessing.get_context("spawn")
        context.Process(target=target, args=(there, *args), daemon=True).start()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    there.close()
    return here


def from_child(
    target: Callable[..., None],
    threads: int | None,
    *args: Any,
    at_once: int | None = None,
) -> Iterator[Any]:
    """Runs something in a process of its own, and yields all that it sends."""
    pipe = worker(target, threads, *args, at_once=at_once)
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return
