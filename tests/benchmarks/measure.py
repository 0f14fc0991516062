"""Measuring: jobs that take turns, each in a process of its own or here; and the lines that come of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec

from .run import ROOT, Run


@dataclass(frozen=True, slots=True)
class Scale:
    """How many companies, and how many rounds; `sizes` are all sizes that were asked for, `rows` the first of them."""

    rows: int
    times: int = 5
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what was done, how long it took if it ran, its ratio to something else, and what to know.

    `must` is what the ratio is to be at most, `least` what it is to be at least; `memory` is the peak of the process
    in bytes, and `memory_must` what it is to be at most.
    """

    what: str
    seconds: float | None
    ratio: float | None = None
    to: str = ""
    beside: str = ""
    must: float | None = None
    least: float | None = None
    memory: int | None = None
    memory_must: float | None = None

    @property
    def bound(self) -> str:
        """What the ratio must be, and whether it is missed, looked at as it is printed."""
        found = round(self.ratio or 0, 2)
        if self.must is not None:
            return f"at most {self.must:g}" + (", missed" if found > self.must else "")
        if self.least is not None:
            return f"at least {self.least:g}" + (", missed" if found < self.least else "")
        return ""

    @property
    def memory_bound(self) -> str:
        """What the memory must be, and whether it is missed."""
        if self.memory_must is None:
            return ""
        return f"at most {self.memory_must / 1e6:.0f}" + (", missed" if (self.memory or 0) > self.memory_must else "")


def printed(line: Line) -> str:
    """A line as text."""
    taken = line.seconds
    seconds = "" if taken is None else f"{taken:8.2f} s " if taken >= 1 else f"{taken * 1000:8.1f} ms"
    ratio = "" if line.ratio is None else f"{line.ratio:6.2f} x {line.to}"
    bound = line.bound and f"({line.bound})"
    memory = "" if line.memory is None else f"{line.memory / 1e6:.0f} MB"
    limit = line.memory_bound and f"({line.memory_bound})"
    beside = " ".join(filter(None, (memory, limit, line.beside)))
    return f"  {line.what:<54} {seconds:<11}   {ratio:<27} {bound:<22} {beside}".rstrip()


def in_a_process(job: str, *arguments: object) -> Run:
    """Run `job` of `jobs.py` in a new process."""
    return run_of([sys.executable, "-m", "tests.benchmarks.jobs", job, *map(str, arguments)])


def run_of(command: list[str]) -> Run:
    """What a process says in its last line."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Run)


def rounds(times: int, *jobs: Callable[[int], Run]) -> list[list[Run]]:
    """The runs of each job, which take turns, so that all meet the machine as it is; each is told the round."""
    taken: list[list[Run]] = [[] for _ in jobs]
    for number in range(times):
        for job, runs in zip(jobs, taken, strict=True):
            runs.append(job(number))
    return taken


def middle(runs: list[Run]) -> Run:
    """The run whose processor time is the median; of an even number, the shorter of the two."""
    return sorted(runs, key=lambda run: run.processor)[(len(runs) - 1) // 2]


def ratios(runs: list[Run], others: list[Run]) -> list[float]:
    """The ratio of processor times in each round, in order."""
    return sorted(run.processor / (other.processor or 1e-9) for run, other in zip(runs, others, strict=True))


def median_memory(runs: list[Run]) -> int:
    """The median of what the processes held at most, in bytes."""
    return int(median(run.memory for run in runs))


def spread(found: list[float]) -> str:
    """From the least to the greatest ratio."""
    return f"{found[0]:.2f} to {found[-1]:.2f} in {len(found)} rounds" if len(found) > 1 else ""


def medians(times: int, *calls: Callable[[], object]) -> tuple[float, ...]:
    """The median processor time of each call, in seconds; the calls take turns, so that all meet the machine as it is."""
    return tuple(map(median, _in_turns(times, calls)))


def _in_turns(times: int, calls: Sequence[Callable[[], object]]) -> list[list[float]]:
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(times):
        for call, spent in zip(calls, taken, strict=True):
            started = time.process_time()
            call()
            spent.append(time.process_time() - started)
    return taken
