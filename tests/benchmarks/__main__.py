"""Run every benchmark and print one table. `BENCH_ROWS` and `BENCH_TIMES` set the size and how often: 100,000, 3.

With `BENCH_PAGE=docs/explanation/benchmarks.md` the figures are written there, too.
"""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

from . import imports, queries, questions, reading, records, sync
from .measure import Line, Scale, printed

SUBJECTS = (imports, sync, reading, queries, questions, records)


def main(scale: Scale, page: str = "") -> None:
    """Run all subjects."""
    print(f"{scale.rows:,} companies; the shortest of {scale.times} runs; ratios are of this run")
    tables: list[tuple[str, list[Line]]] = []
    for subject in SUBJECTS:
        title = (subject.__doc__ or "").splitlines()[0]
        print(f"\n{title}\n")
        tables.append((title, []))
        for line in subject.run(scale):
            tables[-1][1].append(line)
            print(printed(line), flush=True)
    if page:
        Path(page).write_text(_page(scale, tables), encoding="utf-8")


def _page(scale: Scale, tables: list[tuple[str, list[Line]]]) -> str:
    """The figures as a page of the documentation."""
    command = f"BENCH_ROWS={scale.rows} BENCH_TIMES={scale.times} BENCH_PAGE=docs/explanation/benchmarks.md make bench"
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}` on {machine}, SQLite {sqlite3.sqlite_version}: {scale.rows:,} companies of the emulator,",
        f"the least processor time of {scale.times} runs. A busy machine changes the times; the ratios are of one run and",
        "stay. What they mean is in [Speed](speed.md).",
    ]
    for title, rows in tables:
        lines += [
            "",
            f"## {title.rstrip('.')}",
            "",
            "| what | ms | ratio | to | at most | |",
            "| --- | ---: | ---: | --- | ---: | --- |",
        ]
        for line in rows:
            ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
            must = "" if line.must is None else f"{line.must:g}"
            lines.append(f"| {line.what} | {line.seconds * 1000:,.1f} | {ratio} | {line.to} | {must} | {line.beside} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(
        Scale(int(os.environ.get("BENCH_ROWS", "100000")), int(os.environ.get("BENCH_TIMES", "3"))),
        os.environ.get("BENCH_PAGE", ""),
    )
