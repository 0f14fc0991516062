"""Run every benchmark and print one table. `BENCH_ROWS` and `BENCH_TIMES` set the size and how often: 100,000, 3.

With `BENCH_PAGE=docs/explanation/benchmarks.md` the figures are written there, too; `BENCH_ONLY=questions,sync` runs
some subjects only, and leaves the figures of the others on the page as they are.
"""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

from . import imports, queries, questions, reading, records, sync
from .measure import Line, Scale, printed

SUBJECTS = (imports, sync, reading, queries, questions, records)


def main(scale: Scale, page: str = "", only: str = "") -> None:
    """Run all subjects, or those that `only` names."""
    print(f"{scale.rows:,} companies; the shortest of {scale.times} runs; ratios are of this run")
    chosen = [subject for subject in SUBJECTS if not only or subject.__name__.rpartition(".")[2] in only.split(",")]
    tables: dict[str, str] = {}
    for subject in chosen:
        title = (subject.__doc__ or "").splitlines()[0]
        print(f"\n{title}\n")
        lines = []
        for line in subject.run(scale):
            lines.append(line)
            print(printed(line), flush=True)
        tables[title.rstrip(".")] = _table(scale, subject.__name__.rpartition(".")[2], lines)
    if page:
        written = Path(page).read_text("utf-8") if Path(page).exists() else ""
        Path(page).write_text(_page(written, tables), encoding="utf-8")


def _page(written: str, tables: dict[str, str]) -> str:
    """The page of the documentation with new tables; those of other subjects stay as they are `written`."""
    titles = [(subject.__doc__ or "").splitlines()[0].rstrip(".") for subject in SUBJECTS]
    sections = {
        part.partition("\n")[0]: part.partition("\n")[2].strip() for part in written.split("\n## ")[1:]
    } | tables
    return _HEAD + "".join(f"\n## {title}\n\n{sections[title]}\n" for title in titles if title in sections)


def _table(scale: Scale, subject: str, rows: list[Line]) -> str:
    """How a subject was measured, and its figures."""
    command = f"BENCH_ROWS={scale.rows} BENCH_TIMES={scale.times} BENCH_ONLY={subject} make bench"
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    lines = [
        f"`{command}` on {machine}, SQLite {sqlite3.sqlite_version}: {scale.rows:,} companies.",
        "",
        "| what | ms | ratio | to | at most | |",
        "| --- | ---: | ---: | --- | ---: | --- |",
    ]
    for line in rows:
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        must = "" if line.must is None else f"{line.must:g}"
        lines.append(f"| {line.what} | {line.seconds * 1000:,.1f} | {ratio} | {line.to} | {must} | {line.beside} |")
    return "\n".join(lines)


_HEAD = """# Benchmarks

Written by `BENCH_PAGE=docs/explanation/benchmarks.md make bench`, each table by the command that it names, with the companies
of the emulator: the least processor time of the runs, of questions the median. A busy machine changes the times; the ratios are
of one run and stay. What they mean is in [Speed](speed.md).
"""


if __name__ == "__main__":
    main(
        Scale(int(os.environ.get("BENCH_ROWS", "100000")), int(os.environ.get("BENCH_TIMES", "3"))),
        os.environ.get("BENCH_PAGE", ""),
        os.environ.get("BENCH_ONLY", ""),
    )
