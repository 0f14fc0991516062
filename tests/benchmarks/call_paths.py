"""How far one operation runs through the package: `python -m tests.benchmarks.call_paths [PACKAGE'S FOLDER]`.

Prints for one `save()`, one batch and one `filter()` how many distinct pairs of a calling and a called function lie in
different files. It is counted in a process of its own against the emulator, with a mirror that an earlier process has
synced, from the client's construction on, without the reading of the records that are changed. Three figures each:

- `within`: both functions are in the package. It is how many steps a reader takes from file to file, and the one to watch.
- `with libraries`: also calls from the package to what it uses: SQLAlchemy, the standard library, and the imports and
  decorators of modules that the first use loads. Counted so, the code before its rooms gave 544, 741 and 136.
- `again`: within, for the same operation a second time, with nothing to make, import or open. There it was 124, 257, 70.

Given the folder of another checkout, it counts that one's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
Function = tuple[str, str]
"""Its file, and its name there."""
SUBJECTS = ("filter", "save", "batch")
"""In this order one emulator serves them all: none meets what another changed."""


class Counts(NamedTuple):
    """What one operation counts."""

    within: int
    with_libraries: int
    again: int


class Pairs:
    """The pairs of functions of different files that were called: within a package, and from it."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.within: set[tuple[Function, Function]] = set()
        self.outwards: set[tuple[Function, Function]] = set()

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or frame.f_back is None:
            return
        caller, called = frame.f_back.f_code, frame.f_code
        if caller.co_filename == called.co_filename or not caller.co_filename.startswith(self.package):
            return
        pair = (caller.co_filename, caller.co_qualname), (called.co_filename, called.co_qualname)
        self.outwards.add(pair)
        if called.co_filename.startswith(self.package):
            self.within.add(pair)

    @contextmanager
    def counting(self) -> Iterator[None]:
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)


def prepare(url: str, mirror: str) -> None:
    """Sync a mirror."""
    from planhat_orm import Company, License, Planhat

    with Planhat("test-token", api_url=url, mirror=mirror) as planhat:
        planhat.sync(Company, License)


def run(subject: str, url: str, mirror: str, package: str) -> Counts:
    """One operation, counted twice."""
    from planhat_orm import Company, License, Planhat

    first, second = Pairs(package), Pairs(package)
    with first.counting():
        planhat = Planhat("test-token", api_url=url, mirror=None if subject == "filter" else mirror, scan="allow")
    records = Company.objects.using(planhat)
    companies = [] if subject == "filter" else list(records)

    def save(turn: int) -> None:
        company = companies[6 * turn + 4]
        company.phase = "Live"
        company.save()

    def batch(turn: int) -> None:
        with planhat.batch():
            for company in companies[6 * turn : 6 * turn + 4]:
                company.phase = "Live"
                company.save()
            new = Company(name="New", external_id=f"new{turn}")
            new.save()
            day = date(2026, 1, 1)
            License(company=new, currency="EUR", value=1, from_date=day, external_id=f"new{turn}-1").save()
            companies[6 * turn + 5].delete()

    def read(turn: int) -> None:
        for company in records.filter(phase="Trial"):
            assert company.name

    for turn, pairs in enumerate((first, second)):
        with pairs.counting():
            {"save": save, "batch": batch, "filter": read}[subject](turn)
    return Counts(len(first.within), len(first.outwards), len(second.within))


def counted(package: Path) -> dict[str, Counts]:
    """What each operation counts, in a process of its own that uses the package of this folder."""
    from planhat_orm.emulator import Emulator

    environment = {**os.environ, "PYTHONPATH": str(package)}

    def process(*arguments: str) -> str:
        # By its path, as the other checkout has tests of its own.
        code = f"import runpy, sys; sys.argv[1:] = {arguments!r}; runpy.run_path({__file__!r}, run_name='__main__')"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, check=True
        )
        return done.stdout

    with Emulator(0) as emulator, TemporaryDirectory() as folder:
        for number in range(12):
            emulator.store.insert("company", {"name": f"C{number}", "externalId": f"c-{number}", "phase": "Trial"})
        mirror = str(Path(folder) / "planhat.db")
        process("prepare", emulator.url, mirror)
        return {subject: Counts(*map(int, process(subject, emulator.url, mirror).split())) for subject in SUBJECTS}


def main() -> None:
    """Print the table, or the figures of one operation."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["prepare"]:
        prepare(*arguments[1:])
    elif len(arguments) == 3:
        import planhat_orm

        subject, url, mirror = arguments
        print(*run(subject, url, mirror, str(Path(planhat_orm.__file__).parent) + os.sep))
    else:
        package_folder = Path(arguments[0]) if arguments else ROOT
        print(f"{'':8}{'within':>8}{'with libraries':>17}{'again':>8}")
        for subject, counts in counted(package_folder.resolve()).items():
            print(f"{subject:8}{counts.within:8}{counts.with_libraries:17}{counts.again:8}")


if __name__ == "__main__":
    main()
