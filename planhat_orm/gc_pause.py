"""Python's collector of cycles, kept off while a page of records is made.

It runs whenever some hundred more dicts and lists are alive than before, and every so often looks through all there
are. A page is tens of thousands of them, all of them kept and none in a cycle: parsing many pages takes four times
as long with it as without.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from . import forks


class _Pause:
    """Whether the collector is paused. A child that is forked meanwhile has it on again."""

    def __init__(self) -> None:
        self.lock = forks.Lock()
        self.is_on = False
        forks.in_child(self._end)

    def _end(self) -> None:
        if self.is_on:
            self.is_on = False
            gc.enable()


_pause = _Pause()


@contextmanager
def gc_paused() -> Iterator[None]:
    """Do a short piece of work without the collector. One that the user switched off stays off.

    Only the first of several threads has it paused, and only until that one is done, so it comes to its turn between
    pages however many threads make them.
    """
    if not _pause.lock.acquire(blocking=False):
        yield
        return
    _pause.is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if _pause.is_on:
            gc.enable()
        _pause.is_on = False
        _pause.lock.release()
