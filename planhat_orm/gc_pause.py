"""Python's collector of cycles, kept off while a page of records is made.

It runs whenever some hundred more dicts and lists are alive than before, and every so often looks through all there
are. A page is tens of thousands of them, all of them kept and none in a cycle: parsing many pages takes four times
as long with it as without.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_pause = threading.Lock()


@contextmanager
def gc_paused() -> Iterator[None]:
    """Do a short piece of work without the collector. One that the user switched off stays off.

    Only the first of several threads has it paused, and only until that one is done, so it comes to its turn between
    pages however many threads make them.
    """
    if not _pause.acquire(blocking=False):
        yield
        return
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
        _pause.release()
