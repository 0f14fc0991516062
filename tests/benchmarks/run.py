"""What a job took in a process of its own. It needs the standard library only, as the environments of peers have no more."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Job = Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """What a job took. `memory` is the peak of its whole process, in bytes; `said` is what the job returned."""

    seconds: float
    processor: float
    memory: int
    said: dict[str, Any] = field(default_factory=dict)


def measured(job: Job) -> Run:
    """Run a job here; the processor time is that of all threads and of the processes that it started."""
    before, processor = time.perf_counter(), _processor()
    said = job()
    return Run(time.perf_counter() - before, _processor() - processor, peak_memory(), said)


def run_and_print(jobs: dict[str, Callable[..., Job]]) -> None:
    """The main program of a file of jobs: `JOB ARGUMENTS` runs one and prints its run as JSON in a last line."""
    name, *arguments = sys.argv[1:]
    print(json.dumps(asdict(measured(jobs[name](*arguments)))))


def _processor() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_memory() -> int:
    """The most that this process held so far, in bytes."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except FileNotFoundError:
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size if sys.platform == "darwin" else size * 1024
    # Not `ru_maxrss`: a new process inherits that of the one that started it.
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
