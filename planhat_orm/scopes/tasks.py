"""The event loop and the task that code runs in. A process that imports no asyncio has neither, and is spared it."""

from __future__ import annotations

import sys
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
