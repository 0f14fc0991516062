"""The warning of a verb that blocks a running event loop: once for each place in the user's code."""

from __future__ import annotations

import sys
from types import FrameType

from ..errors import BlockingWarning
from ..scopes.places import is_ours, warn_at
from ..scopes.tasks import in_a_task

_warned: set[tuple[str, int]] = set()
_TWINS = {
    "__iter__": "async for",
    "__len__": "async for, or acount()",
    "__bool__": "async for, or aexists()",
    "__getitem__": "async for, or afirst()",
    "__enter__": "async with",
    "__exit__": "async with",
}
"""What stands for what Python itself calls."""


def warn_in_a_task() -> None:
    """Warn where what comes now holds up an event loop."""
    if in_a_task():
        verb, caller = _edge()
        place = (caller.f_code.co_filename, caller.f_lineno)
        if place not in _warned:
            warn_at(caller, _text(verb), BlockingWarning)
            _warned.add(place)  # not reached where the warning is made an error: that one comes each time


def _edge() -> tuple[FrameType, FrameType]:
    """The frames of the verb that was called, and of the code outside of this package that called it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame.f_back):
        frame = frame.f_back
    return frame, frame.f_back or frame


def _text(verb: FrameType) -> str:
    name = verb.f_code.co_name
    owner = type(verb.f_locals.get("self"))
    twin = _TWINS.get(name) or next(
        (f"await {twin}()" for twin in (f"a{name}", f"a_{name}") if hasattr(owner, twin)), ""
    )
    called = f"{owner.__name__}.{name}()"
    use = f"Use {twin}" if twin else "Call it in a thread (asyncio.to_thread)"
    return f"{called} is called inside a running event loop, and no task of it goes on until that is done. {use}."
