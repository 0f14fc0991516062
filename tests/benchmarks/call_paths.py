"""How far one operation runs through the package: `python -m tests.benchmarks.call_paths [PACKAGE'S FOLDER]`.

Prints for one `save()`, one batch and one `filter()` how many distinct pairs of a calling and a called function lie in
different files, the caller in the package. Each is counted from the client's construction on, without the reading of the
records that it changes, in a process of its own, so that what the first use imports and opens is counted too, against the
emulator, with a mirror that an earlier process has synced. The first figure counts calls between files of the package, the
second one also those to what the package uses. Given the folder of another checkout, it counts that one's.
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

ROOT = Path(__file__).parents[2]
Function = tuple[str, str]
"""Its file, and its name there."""
SUBJECTS = ("save", "batch", "filter")


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


def run(subject: str, url: str, mirror: str, pairs: Pairs) -> None:
    """One operation, counted."""
    from planhat_orm import Company, License, Planhat

    with pairs.counting():
        planhat = Planhat("test-token", api_url=url, mirror=None if subject == "filter" else mirror, scan="allow")
    records = Company.objects.using(planhat)
    companies = [] if subject == "filter" else list(records)

    def save() -> None:
        companies[0].phase = "Live"
        companies[0].save()

    def batch() -> None:
        with planhat.batch():
            for company in companies[:4]:
                company.phase = "Live"
                company.save()
            new = Company(name="New", external_id="new")
            new.save()
            License(company=new, currency="EUR", value=1, from_date=date(2026, 1, 1), external_id="new-1").save()
            companies[5].delete()

    def read() -> None:
        for company in records.filter(phase="Trial"):
            assert company.name

    with pairs.counting():
        {"save": save, "batch": batch, "filter": read}[subject]()


def counted(subject: str, package: Path) -> tuple[int, int]:
    """What one operation counts, in a process that uses the package of this folder."""
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
        for number in range(10):
            emulator.store.insert("company", {"name": f"C{number}", "externalId": f"c-{number}", "phase": "Trial"})
        mirror = str(Path(folder) / "planhat.db")
        process("prepare", emulator.url, mirror)
        within, outwards = process(subject, emulator.url, mirror).split()
    return int(within), int(outwards)


def main() -> None:
    """Print the table, or the figures of one operation."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["prepare"]:
        prepare(*arguments[1:])
    elif len(arguments) == 3:
        import planhat_orm

        pairs = Pairs(str(Path(planhat_orm.__file__).parent) + os.sep)
        subject, url, mirror = arguments
        run(subject, url, mirror, pairs)
        print(len(pairs.within), len(pairs.outwards))
    else:
        package_folder = Path(arguments[0]) if arguments else ROOT
        print(f"{'':8}{'within':>8}{'with libraries':>17}")
        for subject in SUBJECTS:
            within, outwards = counted(subject, package_folder.resolve())
            print(f"{subject:8}{within:8}{outwards:17}")


if __name__ == "__main__":
    main()
