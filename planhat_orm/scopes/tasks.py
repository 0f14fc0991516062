"""The event loop and the task that code runs in. A process that imports no asyncio has neither, and is spared it."""

from __future__ import annotations

import sys
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, if any."""
    if "asyncio" not in sys.modules:
        return None
    import asyncio  # it may be half imported, by another thread: this waits

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def current_task() -> asyncio.Task[Any] | None:
    """The task that runs in this thread, if any."""
    if running_loop() is None:
        return None
    import asyncio

    return asyncio.current_task()


def in_a_task() -> bool:
    """Whether waiting here would hold up an event loop that other tasks need.

    A notebook runs each cell inside a loop and waits for it, so that an ordinary cell may take its time.
    """
    if running_loop() is None:
        return False
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not frame.f_code.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR):
        frame = frame.f_back
    return frame is None or not str(frame.f_globals.get("__name__")).startswith("IPython.")
