"""Importing the package, and starting its commands, in a new process each time; processor time against `import httpx`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median

from .measure import Line, Scale, in_a_process, median_memory, middle, ratios, rounds
from .run import Run

_CASES: tuple[tuple[str, tuple[str, ...], float | None], ...] = (
    ("import httpx", ("importing", "httpx"), None),
    ("import planhat_orm", ("importing", "planhat_orm"), 1.5),
    ("import planhat_orm.mirror", ("importing", "planhat_orm.mirror"), None),
    ("planhat --version", ("command", "--version"), 2),
    ("planhat --help", ("command", "--help"), 5),
)


def run(scale: Scale) -> Iterator[Line]:
    found = rounds(scale.times, *(partial(_started, job) for _, job, _ in _CASES))
    for (what, _, must), runs in zip(_CASES, found, strict=True):
        ratio = median(ratios(runs, found[0]))
        yield Line(what, middle(runs).processor, ratio, "import httpx", must=must, memory=median_memory(runs))


def _started(job: tuple[str, ...], _: int) -> Run:
    return in_a_process(*job)
