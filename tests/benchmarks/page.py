"""The page of the documentation that the benchmark writes, with its chart."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator
from html import escape
from pathlib import Path

from .measure import Line, Scale

CHART = "benchmarks.svg"
"""Its name, in the folder above the page's."""


def table(scale: Scale, subject: str, lines: list[Line]) -> str:
    """How a subject was measured, and its figures."""
    sizes = ",".join(map(str, scale.sizes if subject == "sizes" and scale.sizes else (scale.rows,)))
    chosen = "make bench-peers" if subject == "comparison" else f"BENCH_ONLY={subject} make bench"
    command = f"BENCH_ROWS={sizes} BENCH_TIMES={scale.times} {chosen}"
    memory = any(line.memory is not None for line in lines)
    text = [
        f"`{command}` on {machine()}.",
        "",
        "| what | ms | ratio | to | must be |" + (" MB | must be |" if memory else "") + " |",
        "| --- | ---: | ---: | --- | --- |" + (" ---: | --- |" if memory else "") + " --- |",
    ]
    return "\n".join(text + [_row(line, memory) for line in lines])


def _row(line: Line, memory: bool) -> str:
    cells = [
        line.what,
        "" if line.seconds is None else f"{line.seconds * 1000:,.1f}",
        "" if line.ratio is None else f"{line.ratio:.2f}",
        line.to,
        line.bound,
    ]
    if memory:
        cells += ["" if line.memory is None else f"{line.memory / 1e6:.0f}", line.memory_bound]
    return "| " + " | ".join([*cells, line.beside.replace("|", "/")]) + " |"


def machine() -> str:
    """The machine, as far as it says what it is."""
    named = Path("/proc/cpuinfo")
    models = (
        [line for line in named.read_text("utf-8").splitlines() if line.startswith("model name")]
        if named.exists()
        else []
    )
    processor = models[0].partition(":")[2].strip() if models else platform.processor() or platform.machine()
    try:
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB"
    except (ValueError, OSError):
        memory = ""
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{os.cpu_count()} cores of {processor}{memory}, {platform.system()}, {versions}"


def write(page: Path, titles: list[str], title: str, made: str) -> None:
    """The page with a new table; those of other subjects stay as they are."""
    written = page.read_text("utf-8") if page.exists() else ""
    sections = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in written.split("\n## ")[1:]}
    sections[title] = made
    text = _HEAD + "".join(f"\n## {name}\n\n{sections[name]}\n" for name in titles if name in sections)
    page.write_text(text, encoding="utf-8")


_HEAD = f"""# Benchmarks

Written by `BENCH_PAGE=docs/explanation/benchmarks.md make bench bench-peers`, each table by the command that it names. A time is
the median processor time of the rounds, in which the jobs took turns; a ratio is the median of the ratios of each round. A
busy machine changes the times; the ratios are of one run and stay. What they mean is in [Speed](speed.md).

![Records a second of processor time, by job and library](../{CHART})

The records are made from a seed: companies, endusers and conversations of the emulator's tenant, companies of which 40 fields are
set, null or absent by chance and 8 keys are documented nowhere, and companies with 300 custom fields. Where a table names no other,
they are companies of the emulator.
"""


def draw(page: Path, scale: Scale, lines: list[Line]) -> None:
    """The chart of a comparison, beside the folder of the page."""
    (page.parent.parent / CHART).write_text(chart(scale, lines), encoding="utf-8")


_WIDTH, _LEFT, _BAR, _STEP = 860, 190, 500, 22


def chart(scale: Scale, lines: list[Line]) -> str:
    """Bars of records a second, job by job, each job on a scale of its own; it follows the reader's theme and loads nothing."""
    groups: dict[str, list[tuple[str, float, str]]] = {}
    for line in lines:
        job, _, name = line.what.partition(": ")
        if line.seconds:
            groups.setdefault(job, []).append((name, float(line.beside.split()[0].replace(",", "")), line.beside))
    drawn, y = [], 66
    for job, bars in groups.items():
        drawn.append(f'<text class="job" x="16" y="{y}">{escape(job)}</text>')
        for number, shape in enumerate(_bars(sorted(bars, key=lambda bar: -bar[1]))):
            drawn.append(shape.format(top=y + 10 + number * _STEP, middle=y + 23 + number * _STEP))
        y += 10 + len(bars) * _STEP + 30
    title = f"Records a second of processor time, {scale.rows:,} companies, median of {scale.times} rounds"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y - 20}" role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
            _STYLE,
            f'<rect class="ground" width="{_WIDTH}" height="{y - 20}" rx="6"/>',
            f'<text class="title" x="16" y="32">{escape(title)}</text>',
            *drawn,
            "</svg>\n",
        ]
    )


def _bars(bars: list[tuple[str, float, str]]) -> Iterator[str]:
    """A label, a bar and its figure, with their height left open."""
    for name, value, said in bars:
        width = max(_BAR * value / bars[0][1], 1)
        kind = "ours" if name == "planhat_orm" else "plain" if name == "plain script" else "peer"
        yield (
            f'<text class="name" x="{_LEFT - 8}" y="{{middle}}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{kind}" x="{_LEFT}" y="{{top}}" width="{width:.1f}" height="16" rx="2"/>'
            f'<text class="figure" x="{_LEFT + width + 8:.1f}" y="{{middle}}">{escape(said)}</text>'
        )


_STYLE = """<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 } .job { font-weight: 600 } .name, .figure { fill: #57606a }
.ground { fill: #ffffff; stroke: #d0d7de } .ours { fill: #3f51b5 } .plain { fill: #8c959f } .peer { fill: #c3a46a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .name, .figure { fill: #9da7b1 }
.ground { fill: #161b22; stroke: #30363d } .ours { fill: #8c9eff } .plain { fill: #6e7681 } .peer { fill: #b08d4c }
}
</style>"""
