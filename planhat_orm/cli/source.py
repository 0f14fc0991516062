"""Where a command's answer comes from: the mirror where it holds the models asked for, else Planhat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .. import Planhat
from ..errors import MirrorIncomplete
from .connect import has_mirror, need_mirror, need_token, shown
from .out import say

T = TypeVar("T")


def _same(queryset: Any) -> Any:
    return queryset


def pick(client: Planhat, queryset: Any, online: bool | None, shape: Callable[[Any], Any] = _same) -> Any:
    """The queryset over the source that was asked for, or over the better one; `shape` makes of it what is asked."""
    where = client.settings.mirror or ""
    if online is False:
        need_mirror(where)
        return queryset.using("mirror")
    if online is None and has_mirror(where):
        try:
            # Asks for no record, yet is refused where a model is missing.
            list(shape(queryset.using("mirror"))[:0])
        except MirrorIncomplete:
            pass
        else:
            return queryset.using("mirror")
    return queryset.using("api")


def answer(
    client: Planhat, queryset: Any, online: bool | None, ask: Callable[[Any], T], shape: Callable[[Any], Any] = _same
) -> T:
    """Ask a queryset, and say on stderr where the answer came from and what it cost."""
    asked = pick(client, queryset, online, shape)
    plan = shape(asked).explain()
    if plan.source == "mirror":
        try:
            found = ask(asked)
        except MirrorIncomplete:
            if online is False:
                raise
            return answer(client, queryset, True, ask, shape)
        synced = client.mirror.source.synced_at(queryset.model._meta.resource.name)
        moment = f", synced {synced:%Y-%m-%d %H:%M} UTC" if synced else ""
        say(f"From the mirror {shown(client.settings.mirror or '')}{moment}.")
        return found
    need_token(client)
    where = client.settings.mirror or ""
    if online is None and has_mirror(where):
        cost = f"{plan.requests}" if plan.requests is not None else plan.cost
        say(f"The mirror {shown(where)} does not hold all that is asked for, so Planhat is asked: {cost} requests.")
    if plan.full_scan:
        say("Planhat can filter by none of these conditions, so everything is listed. A mirror answers without that.")
    before = client.calls
    found = ask(asked)
    requests = client.calls - before
    say(f"From {client.settings.api_url}, in {requests} request{'' if requests == 1 else 's'}.")
    return found
