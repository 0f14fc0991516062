"""The first sync at several sizes, against the plainest script at the same size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from .measure import Line, Scale, median_memory, middle, ratios, rounds
from .run import Run
from .server import serving
from .sync import FIRST, MEMORY, PAGE, emptied, line, plain, synced

RATIO, GROWTH = 1.15, 1.1
"""What the ratio and the memory of a size are to be at most, in those of the smallest."""


def run(scale: Scale) -> Iterator[Line]:
    sizes = scale.sizes if len(scale.sizes) > 1 else (max(scale.rows // 10, 1), scale.rows)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        jobs: list[Callable[[int], Run]] = []
        for size in sizes:
            url = stack.enter_context(serving(size))
            jobs += [partial(_plain, folder, url), partial(_first, folder, url, size)]
        found = rounds(scale.times, *jobs)
    scripts, firsts = found[::2], found[1::2]
    for size, script, first in zip(sizes, scripts, firsts, strict=True):
        yield line(f"plain script, {size:,}", script, script)
        yield line(f"first sync, {size:,}", first, script, FIRST, MEMORY[PAGE])
    smallest = median(ratios(firsts[0], scripts[0]))
    for size, script, first in list(zip(sizes, scripts, firsts, strict=True))[1:]:
        least = f"that of {sizes[0]:,}"
        ratio, memory = median(ratios(first, script)) / smallest, median_memory(first) / median_memory(firsts[0])
        yield Line(f"ratio at {size:,}", middle(first).processor, ratio, least, must=RATIO)
        yield Line(f"memory at {size:,}", middle(first).processor, memory, least, must=GROWTH)


def _plain(folder: Path, url: str, _: int) -> Run:
    return plain(folder, url)


def _first(folder: Path, url: str, size: int, _: int) -> Run:
    return synced(size, url, emptied(folder / "mirror.db"))
