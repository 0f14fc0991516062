"""Importing the package, and starting its commands, in a new process each time; processor time against `import httpx`."""

from __future__ import annotations

from collections.abc import Iterator

from .measure import Line, Scale, in_a_process, quickest

_CASES: tuple[tuple[str, tuple[str, ...], float | None], ...] = (
    ("import httpx", ("importing", "httpx"), None),
    ("import planhat_orm", ("importing", "planhat_orm"), 1.5),
    ("import planhat_orm.mirror", ("importing", "planhat_orm.mirror"), None),
    ("planhat --version", ("command", "--version"), 2),
    ("planhat --help", ("command", "--help"), 5),
)


def run(scale: Scale) -> Iterator[Line]:
    yardstick = 0.0
    for what, job, must in _CASES:
        found = quickest([in_a_process(*job) for _ in range(scale.times)])
        yardstick = yardstick or found.processor or 1e-9
        beside = f"process {found.memory / 1e6:.0f} MB"
        yield Line(what, found.processor, found.processor / yardstick, "import httpx", beside, must)
