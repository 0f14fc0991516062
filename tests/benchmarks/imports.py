"""Importing the package, and starting its commands, in a new process each time; processor time against `import httpx`."""

from __future__ import annotations

import compileall
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

import planhat_orm
from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator

from .measure import Line, Scale, in_a_process, median_memory, middle, ratios, rounds
from .run import Run

_CASES: tuple[tuple[str, tuple[str, ...], float | None], ...] = (
    ("import httpx", ("importing", "httpx"), None),
    ("import planhat_orm", ("importing", "planhat_orm"), 1.5),
    ("import planhat_orm.mirror", ("importing", "planhat_orm.mirror"), None),
    ("planhat --version", ("command", "--version"), 2),
    ("planhat --help", ("command", "--help"), 5),
    ("planhat status", ("command", "status"), 5),
)


def run(scale: Scale) -> Iterator[Line]:
    # Where PYTHONDONTWRITEBYTECODE is set, modules that were edited would be compiled in each process anew.
    compileall.compile_dir(Path(planhat_orm.__file__).parent, quiet=1)
    with _mirror():
        found = rounds(scale.times, *(partial(_started, job) for _, job, _ in _CASES))
    for (what, _, must), runs in zip(_CASES, found, strict=True):
        ratio = median(ratios(runs, found[0]))
        yield Line(what, middle(runs).processor, ratio, "import httpx", must=must, memory=median_memory(runs))


@contextmanager
def _mirror() -> Iterator[None]:
    """Processes that begin in this block have a small mirror in their environment, for `planhat status`."""
    with Emulator(20) as emulator, TemporaryDirectory() as folder:
        path = str(Path(folder) / "planhat.db")
        settings = {"PLANHAT_API_URL": emulator.url, "PLANHAT_API_TOKEN": emulator.api_token, "PLANHAT_MIRROR": path}
        with patch.dict(os.environ, settings):
            with Planhat() as client:
                client.sync(Company)
            yield


def _started(job: tuple[str, ...], _: int) -> Run:
    return in_a_process(*job)
