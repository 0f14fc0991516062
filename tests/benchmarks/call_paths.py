"""How far one operation runs through the package: `python -m tests.benchmarks.call_paths [PACKAGE'S FOLDER]`.

Prints for one `save()`, one batch and one `filter()` how many distinct pairs of a calling and a called function lie in
different files. Each is counted in a process of its own, so that what the first use imports and opens is counted too,
against the emulator, with a mirror that an earlier process has synced. The first figure counts calls between files of the
package, the second one also those between the package and what it uses. Given the folder of another checkout, it counts
that one's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
SUBJECTS = ("save", "batch", "filter")


def pairs(job: Callable[[], object], package: str) -> tuple[int, int]:
    """The pairs of functions of different files that a job runs through: within a package, and at its edges too."""
    within: set[tuple[CodeType, CodeType]] = set()
    edges: set[tuple[CodeType, CodeType]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or frame.f_back is None:
            return
        pair = (frame.f_back.f_code, frame.f_code)
        if pair[0].co_filename == pair[1].co_filename:
            return
        ours = [code.co_filename.startswith(package) for code in pair]
        if any(ours):
            edges.add(pair)
        if all(ours):
            within.add(pair)

    sys.setprofile(note)
    try:
        job()
    finally:
        sys.setprofile(None)
    return len(within), len(edges)


def prepare(url: str, mirror: str) -> None:
    """Sync a mirror."""
    from planhat_orm import Company, License, Planhat

    with Planhat("test-token", api_url=url, mirror=mirror) as planhat:
        planhat.sync(Company, License)


def job_of(subject: str, url: str, mirror: str) -> Callable[[], object]:
    """One operation, ready to run."""
    from planhat_orm import Company, License, Planhat

    planhat = Planhat("test-token", api_url=url, mirror=None if subject == "filter" else mirror, scan="allow")
    records = Company.objects.using(planhat)
    companies = list(records)

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

    return {"save": save, "batch": batch, "filter": read}[subject]


def counted(subject: str, package: Path) -> tuple[int, int]:
    """What one operation counts, in a process that uses the package of this folder."""
    from planhat_orm.emulator import Emulator

    environment = {**os.environ, "PYTHONPATH": str(package)}

    def run(*arguments: str) -> str:
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
        run("prepare", emulator.url, mirror)
        within, edges = run(subject, emulator.url, mirror).split()
    return int(within), int(edges)


def main() -> None:
    """Print the table, or the figures of one operation."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["prepare"]:
        prepare(*arguments[1:])
    elif len(arguments) == 3:
        import planhat_orm

        package = str(Path(planhat_orm.__file__).parent) + os.sep
        print(*pairs(job_of(*arguments), package))
    else:
        package_folder = Path(arguments[0]) if arguments else ROOT
        print(f"{'':8}{'within':>8}{'edges too':>12}")
        for subject in SUBJECTS:
            within, edges = counted(subject, package_folder.resolve())
            print(f"{subject:8}{within:8}{edges:12}")


if __name__ == "__main__":
    main()
