"""The warning of a query that makes the API list everything: once for each place in the user's code."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..errors import FullScanWarning, PlanhatError

if TYPE_CHECKING:
    from ..query.plan import Plan

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_warned: WeakKeyDictionary[Any, set[tuple[str, int]]] = WeakKeyDictionary()
"""The places that each client has warned of: a loop is told once, whatever filter of warnings is set."""


def warn_full_scan(client: Any, plan: Plan) -> None:
    """Warn, or raise, as `Planhat(scan=...)` says, when `plan` filters nothing on the server."""
    if not plan.full_scan:
        return
    policy = getattr(client, "scan", "warn")
    if policy == "allow":
        return
    # The same words each time: Python tells warnings of one line apart by their text.
    text = (
        f"The API can filter {plan.resource} by none of these conditions, so the whole list is read. "
        f"Query the mirror instead (.using('mirror')), stream with iterator(), or say Planhat(scan='allow'). "
        f"explain() shows the plan."
    )
    if policy == "raise":
        raise PlanhatError(text)
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    place = (frame.f_code.co_filename, frame.f_lineno)
    if place in _warned.setdefault(client, set()):
        return
    warnings.warn_explicit(
        text,
        FullScanWarning,
        filename=place[0],
        lineno=place[1],
        module=frame.f_globals.get("__name__", "__main__"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
    _warned[client].add(place)  # not reached where the warning is made an error: that one comes each time
