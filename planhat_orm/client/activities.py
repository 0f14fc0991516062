"""User activities: what contacts did in a product, sent to the analytics host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .. import arguments
from ..errors import ValidationError
from ..fields.gate import json_rows
from ..http.effects import Flow
from ..query.kinds import iso
from ..tabular.frame_rows import Frame, as_rows
from ..wire import analytics
from ..wire.resources import resource
from .analytics_base import AnalyticsEndpoint, check_flags, checked, raise_for, recorded

if TYPE_CHECKING:
    from ..runtime import Client

Record = dict[str, Any]
_SEND = "send activities with planhat.user_activity.create_activity({...})"
_NO_READ = "Planhat does not give activities back over its API"


class UserActivities(AnalyticsEndpoint):
    """`planhat.user_activity`: what contacts did in your product, sent to the analytics host."""

    _instead = {
        "create": _SEND, "bulk_upsert": _SEND, "get_list": _NO_READ, "get_by_id": _NO_READ, "update": _NO_READ,
        "delete": _NO_READ,
    }  # fmt: skip

    def __init__(self, client: Client) -> None:
        self._client = client
        self._resource = resource("user_activity")

    def create_activity(
        self,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame,
        bulk: bool = False,
        auto_chunk: bool = True,
        raise_on_error: bool = False,
        *,
        at_least_once: bool = False,
    ) -> Record:
        """Send one activity, or with `bulk=True` a list of them. Needs the tenant token.

        Each needs `email` or `externalId`. One POST for every 32 MB (one in all with `auto_chunk=False`). A lost
        answer raises `AmbiguousWrite`, unless `at_least_once` allows sending it again; `raise_on_error` raises
        `BulkError` for rows that the server names as bad.
        """
        return self._client.run(self._create(data, bulk, auto_chunk, raise_on_error, at_least_once))

    async def acreate_activity(
        self,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame,
        bulk: bool = False,
        auto_chunk: bool = True,
        raise_on_error: bool = False,
        *,
        at_least_once: bool = False,
    ) -> Record:
        """Do what `create_activity()` does, in a task."""
        return await self._client.arun(self._create(data, bulk, auto_chunk, raise_on_error, at_least_once))

    def record(self, data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame) -> int:
        """Write activities down in the mirror's outbox, for `planhat.push()` to send; return how many.

        Rows as `create_activity()` takes them; one without a `date` is of now. Makes no request, so it works offline.
        One that may have arrived, as its answer was lost or the process died, is held: `planhat outbox` names it,
        and `planhat.outbox.retry(number)` or `.discard(number)` decides. Inside a batch they wait for its end. Raises
        `ValidationError` for a row that the server would ignore, `ConfigurationError` without a mirror.

        >>> planhat.user_activity.record({"email": "zoe@a.example", "action": "Logged in"})  # doctest: +SKIP
        1
        """
        return self._client.run(self._record(data))

    async def arecord(self, data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame) -> int:
        """Do what `record()` does, in a task."""
        return await self._client.arun(self._record(data))

    def segment(
        self,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame,
        *,
        raise_on_error: bool = False,
        at_least_once: bool = False,
    ) -> Record:
        """Send an event in Segment's shape (`identify` or `track`), or several, one POST each. Needs the tenant token.

        All are looked at before the first one is sent. A lost answer raises `AmbiguousWrite`, unless `at_least_once`.
        """
        return self._client.run(self._segment(data, raise_on_error, at_least_once))

    async def asegment(
        self,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame,
        *,
        raise_on_error: bool = False,
        at_least_once: bool = False,
    ) -> Record:
        """Do what `segment()` does, in a task."""
        return await self._client.arun(self._segment(data, raise_on_error, at_least_once))

    def _create(
        self, data: Any, bulk: bool, auto_chunk: bool, raise_on_error: bool, at_least_once: bool
    ) -> Flow[Record]:
        check_flags(bulk=bulk, auto_chunk=auto_chunk, raise_on_error=raise_on_error, at_least_once=at_least_once)
        self._client.writer.guard_live()
        answer: analytics.Received
        data = as_rows(data)
        if bulk or not isinstance(data, Mapping):
            rows: Iterable[Mapping[str, Any]] = checked(
                self._resource, [data] if isinstance(data, Mapping) else data, self._client.zone
            )
            rows = list(rows) if isinstance(data, Sequence) else rows
            path = analytics.activity_path(bulk=True)
            answer = yield from analytics.push_many(path, rows, at_least_once=at_least_once, whole=not auto_chunk)
        else:
            (row,) = checked(self._resource, [data], self._client.zone)
            answer = yield from analytics.push_one(analytics.activity_path(), row, at_least_once=at_least_once)
        raise_for(answer, raise_on_error, "activities")
        return answer

    def _record(self, data: Any) -> Flow[int]:
        now = iso(datetime.now(UTC))
        rows = recorded(self._resource, data, self._client.zone)
        dated = [
            (str(row.get("email") or row.get("externalId")), {**row, "date": row.get("date") or now}) for row in rows
        ]
        return (yield from self._client.writer.record("user_activity", dated))

    def _segment(self, data: Any, raise_on_error: bool, at_least_once: bool) -> Flow[Record]:
        check_flags(raise_on_error=raise_on_error, at_least_once=at_least_once)
        self._client.writer.guard_live()
        data = as_rows(data)
        given = [data] if isinstance(data, Mapping) else arguments.many("segment()", data)
        events = list(json_rows(given, self._client.zone))
        for event in events:
            _check_event(event)
        answer = yield from analytics.push_each(
            analytics.SEGMENT_PATH, events, auth="tenant", at_least_once=at_least_once
        )
        raise_for(answer, raise_on_error, "events")
        return answer


def _check_event(event: Any) -> None:
    if not isinstance(event, Mapping) or event.get("type") not in ("identify", "track"):
        raise ValidationError("A segment event has the type identify or track; Planhat ignores all others.")
    context = event.get("context")
    places = [event, *(event.get(name) for name in ("traits", "properties"))]
    places += [context.get("traits")] if isinstance(context, Mapping) else []
    known = any(place.get("email") for place in places if isinstance(place, Mapping))
    if not (known or event.get("userId") or event.get("user_id")):
        raise ValidationError("A segment event needs a userId, or traits with an email: Planhat ignores it else.")
