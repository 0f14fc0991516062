"""Making one record: its keys are looked for first, it is sent once, and looked for when the answer is lost.

Planhat checks no key on POST: a repeated create makes a second record.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import AlreadyExists, AmbiguousWrite, ConnectionFailed, RequestError
from ..http.effects import Flow, Request, Response, Sleep
from ..http.headers import date_of
from ..json_encoding import encode
from . import paths, records
from .content_match import resembles
from .failures import may_be_done
from .key_locks import hold_keys
from .keys import lookup_keys
from .new_records import is_older, merge_new
from .newest import SeenIds, made_above, made_at, newest
from .resources import Resource

_LOOKS = 3
_PAUSE = 2.0
_CANDIDATES = 50
_SLACK = 2.0


def create(
    resource: Resource, row: Mapping[str, Any], seen: SeenIds | None = None, *, remember: bool = True
) -> Flow[dict[str, Any]]:
    """Create a record and return it whole.

    One POST, and before it one GET for each key the row carries: `AlreadyExists` when one is taken, and
    nothing is changed. When the answer is lost the record is looked for by its key, or among the newest
    ones, those above the greatest id `seen` before; `AmbiguousWrite` when that does not tell. Threads and tasks that
    create the same key take turns. `remember` notes the record as made; who has an outbox does so when it is
    acknowledged there.
    """
    keys = list(lookup_keys(resource, row))
    record: dict[str, Any] = yield from hold_keys(resource, keys, _create(resource, row, keys, seen))
    if remember:
        remember_made([record["_id"]])
    return record


def _create(
    resource: Resource, row: Mapping[str, Any], keys: list[tuple[str, Any]], seen: SeenIds | None
) -> Flow[dict[str, Any]]:
    yield from refuse_taken(resource, keys)
    floor = None if seen is None else seen.greatest(resource)
    request = Request("POST", paths.collection(resource), body=encode(row), idempotent=False, shape=dict)
    started: float = 0.0 if keys else (yield Sleep(0))
    try:
        response: Response = yield request
        record = records.record_of(resource, response)
    except RequestError as lost:
        if not may_be_done(lost):
            raise
        record = yield from (
            _by_keys(resource, row, keys, request, floor, lost)
            if keys
            else _by_content(resource, row, request, floor, started, lost)
        )
    return record


def refuse_taken(resource: Resource, keys: Iterable[tuple[str, Any]]) -> Flow[None]:
    """Raise `AlreadyExists` when a record has one of these keys. A request for each, or the pages of a list."""
    for wire, value in keys:
        taken = yield from records.by_key(resource, wire, value)
        if taken is not None:
            raise AlreadyExists(
                f"There is a {resource.name} with this {wire} already ({taken.get('_id')}); nothing was changed. "
                f"Update that one, or use update_or_create().",
                id=taken.get("_id"),
            )


_made_here: deque[str] = deque(maxlen=20_000)


def remember_made(ids: Iterable[str]) -> None:
    """Note ids of records that this process made, one by one or in bulk: none of them is another create's lost one."""
    _made_here.extend(ids)


def made_here(ids: Iterable[str]) -> set[str]:
    """Those of some ids that this process is known to have made."""
    return set(_made_here).intersection(ids)


def _by_keys(
    resource: Resource,
    row: Mapping[str, Any],
    keys: list[tuple[str, Any]],
    request: Request,
    floor: str | None,
    lost: RequestError,
) -> Flow[dict[str, Any]]:
    """Look for a record whose create got no answer; the server may still be working, so look a few times.

    One that is older than what was seen before, or says something else than what was sent, may be somebody else's.
    """
    wire, value = keys[0]
    for look in range(_LOOKS):
        if look:
            yield Sleep(_PAUSE)
        try:
            found = yield from records.by_key(resource, wire, value)
        except RequestError:
            raise _ambiguous(resource, request, "its key could not be looked up either") from lost
        if found is not None and (is_older(found, floor) or merge_new(resource, row, found).clashes):
            raise _ambiguous(
                resource, request, f"the {resource.name} that has its {wire} by now says something else", [found]
            ) from lost
        if found is not None:
            return found
    if _still_at_work(lost):
        raise _ambiguous(
            resource, request, f"nothing had its key when it was looked up {_LOOKS} times, but the server may still be "
            f"at work on it",
        ) from lost  # fmt: skip
    raise type(lost)(
        f"The new {resource.name} got no good answer, and was not there when its key was looked up {_LOOKS} times: "
        f"it was not created. Creating it again is safe.",
        request=lost.request, response=lost.response, attempts=lost.attempts, detail=lost.detail,
    ) from lost  # fmt: skip


def _still_at_work(lost: RequestError) -> bool:
    """Whether it was us, or a gateway, who did not wait for the server, so that it may yet do what was asked."""
    if isinstance(lost, ConnectionFailed):
        return lost.timed_out
    return lost.response is not None and lost.response.status == 504


def _by_content(
    resource: Resource, row: Mapping[str, Any], request: Request, floor: str | None, started: float, lost: RequestError
) -> Flow[dict[str, Any]]:
    """Look for a keyless record among the newest: one made since it was sent, with exactly what was sent.

    That is what lies above `floor`, the greatest id seen before. Where none was seen the answer's Date header tells how
    the server's clock stands, and a record that would be of the future says that it cannot.
    """
    if "list" not in resource.operations:
        raise _ambiguous(resource, request, "it cannot be looked for") from lost
    latest = float("inf")

    def since(response: Response) -> Flow[float]:
        nonlocal latest
        if floor is not None:
            return made_above(floor)
        now = yield Sleep(0)  # asked after the answer, so that a slow one makes the time since the start no shorter
        latest = server_time(response) + _SLACK
        return float(server_time(response) - (now - started) - _SLACK)

    for look in range(_LOOKS):
        if look:
            yield Sleep(_PAUSE)
        try:
            rows = yield from newest(resource, since, limit=_CANDIDATES)
        except RequestError:
            raise _ambiguous(resource, request, "it could not be looked for either") from lost
        known = {floor, *made_here(item["_id"] for item in rows)}
        alike = [item for item in rows if item["_id"] not in known and resembles(item, row, resource)]
        if len(alike) == 1 and made_at(alike[0]) <= latest:
            return alike[0]
        if alike:
            what = f"{len(alike)} new records look like it" if len(alike) > 1 else "the server's clocks disagree"
            raise _ambiguous(resource, request, what, alike) from lost
    raise _ambiguous(resource, request, "no new record looks like it, for now") from lost


def _ambiguous(
    resource: Resource, request: Request, what: str, candidates: list[dict[str, Any]] | None = None
) -> AmbiguousWrite:
    return AmbiguousWrite(
        f"The answer to creating a {resource.name} was lost, and {what}. It was not sent again: look before you "
        f"repeat it. create() does, where a record has an external or source id.",
        request=request,
        candidates=candidates,
    )


def server_time(response: Response) -> float:
    """When an answer was given, by the server's clock."""
    date = date_of(response.headers)
    return time.time() if date is None else date.timestamp()
