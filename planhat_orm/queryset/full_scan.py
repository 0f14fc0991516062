"""The warning of a query that makes the API list everything: once for each place in the user's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..errors import FullScanWarning, PlanhatError
from ..scopes.places import user_frame, warn_at

if TYPE_CHECKING:
    from ..query.plan import Plan
    from ..runtime import Client

_warned: WeakKeyDictionary[Any, set[tuple[str, int]]] = WeakKeyDictionary()
"""The places that each client has warned of: a loop is told once, whatever filter of warnings is set."""


def warn_full_scan(client: Client, plan: Plan) -> None:
    """Warn, or raise, as `Planhat(scan=...)` says, when `plan` filters nothing on the server."""
    if not plan.full_scan or client.scan == "allow":
        return
    # The same words each time: Python tells warnings of one line apart by their text.
    text = (
        f"The API can filter {plan.resource} by none of these conditions, so the whole list is read. "
        f"Query the mirror instead (.using('mirror')), stream with iterator(), or say Planhat(scan='allow'). "
        f"explain() shows the plan."
    )
    if client.scan == "raise":
        raise PlanhatError(text)
    frame = user_frame()
    place = (frame.f_code.co_filename, frame.f_lineno)
    if place in _warned.setdefault(client, set()):
        return
    warn_at(frame, text, FullScanWarning)
    _warned[client].add(place)  # not reached where the warning is made an error: that one comes each time
