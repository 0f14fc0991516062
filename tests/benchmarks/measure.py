"""Measuring: the seconds of a call; and a job in a process of its own, with the most memory it held."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Scale:
    """How many companies, and how often each thing is done."""

    rows: int
    times: int = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what was done, how long it took, its ratio to something else, and what to know.

    `must` is what the ratio is to be at most.
    """

    what: str
    seconds: float
    ratio: float | None = None
    to: str = ""
    beside: str = ""
    must: float | None = None


def printed(line: Line) -> str:
    """A line as text."""
    seconds = f"{line.seconds:8.2f} s " if line.seconds >= 1 else f"{line.seconds * 1000:8.1f} ms"
    ratio = "" if line.ratio is None else f"{line.ratio:6.2f} x {line.to}"
    bound = "" if line.must is None else f"(at most {line.must:g})"
    return f"  {line.what:<44} {seconds}   {ratio:<40} {bound:<14} {line.beside}".rstrip()


@dataclass(frozen=True, slots=True)
class Run:
    """What a job took. `memory` is the peak of its whole process, in bytes; `said` is what the job returned."""

    seconds: float
    processor: float
    memory: int
    said: dict[str, Any] = field(default_factory=dict)


def in_a_process(job: str, *arguments: object) -> Run:
    """Run `job` of `jobs.py` in a new process."""
    command = [sys.executable, "-m", "tests.benchmarks.jobs", job, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Run)


def measured(job: Callable[[], dict[str, Any]]) -> Run:
    """Run a job here."""
    before, processor = time.perf_counter(), time.process_time()
    said = job()
    return Run(time.perf_counter() - before, time.process_time() - processor, _peak_memory(), said)


def quickest(runs: list[Run]) -> Run:
    """The run that others on the machine disturbed least."""
    return min(runs, key=lambda run: run.processor)


def best(call: Callable[[], object], times: int) -> float:
    """The shortest time that a call took, in seconds."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found)


def fastest(times: int, *calls: Callable[[], object]) -> tuple[float, ...]:
    """The least processor time of each call, in seconds."""
    return tuple(map(min, _in_turns(times, calls)))


def medians(times: int, *calls: Callable[[], object]) -> tuple[float, ...]:
    """The median processor time of each call, in seconds."""
    return tuple(map(median, _in_turns(times, calls)))


def _in_turns(times: int, calls: Sequence[Callable[[], object]]) -> list[list[float]]:
    """The processor times of each call, which take turns, so that all meet the machine as it is."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(times):
        for call, spent in zip(calls, taken, strict=True):
            started = time.process_time()
            call()
            spent.append(time.process_time() - started)
    return taken


def _peak_memory() -> int:
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except FileNotFoundError:
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size if sys.platform == "darwin" else size * 1024
    # Not `ru_maxrss`: a new process inherits that of the one that started it.
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
