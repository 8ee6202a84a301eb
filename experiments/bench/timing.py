"""Clocks, and processes with as many threads for TensorFlow as what they time has."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from experiments.progress import console

DEPTH, BATCH, ROUNDS = 120, 100, 5


def interleaved(
    calls: Mapping[str, Callable[[], Any]], rounds: int
) -> dict[str, float]:
    """Returns the median seconds of each call, made in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def worker(target: Callable[..., None], threads: int | None, *args: Any) -> Connection:
    """Starts a process with TensorFlow's threads for one operation set, or default."""
    here, there = multiprocessing.Pipe()
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    before = {name: os.environ.pop(name, None) for name in names}
    if threads is not None:
        os.environ[names[0]] = str(threads)
    try:
        context = multiprocessing.get_context("spawn")
        context.Process(target=target, args=(there, *args), daemon=True).start()
    finally:
        os.environ.update({n: v for n, v in before.items() if v is not None})
    there.close()
    return here


def in_child(target: Callable[..., None], threads: int | None) -> None:
    """Runs something in a process of its own, and prints the table that it sends."""
    console.print(worker(target, threads).recv().to_rich())
