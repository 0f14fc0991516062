"""The analytics host: metrics and user activities, sent and forgotten, and metrics read back.

Every answer there is 200 and says only that the data arrived (docs/reference/planhat-api.md section 11). Nothing
sent has a key, so nothing is sent again on a lost answer unless the caller says that once too often is fine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from .. import json_decoding
from ..errors import AmbiguousWrite, BadAnswer, BulkError, RequestError, ValidationError
from ..http.effects import TENANT, Emit, Flow, Request, Response
from ..json_encoding import encode
from .creating import server_time
from .failures import may_be_done
from .list_page import rows_of
from .records import once
from .resources import Resource, resource

logger = logging.getLogger("planhat_orm")

Auth = Literal["token", "tenant", "none"]

MAX_BYTES = 32_000_000
"""Largest body that the analytics host takes (docs/reference/planhat-api.md section 3: 32 MB)."""
MAX_ROWS = 150_000
"""Most rows that a body of it may have (section 3: about 150,000)."""


class Received(dict[str, Any]):
    """What the host said, and `at`: when, by its clock."""

    at: float = 0.0


def push_many(
    path: str, rows: Iterable[Mapping[str, Any]], *, at_least_once: bool = False, whole: bool = False
) -> Flow[Received]:
    """Send rows as arrays below 32 MB and return the answers summed up: `{"processed": n, "errors": []}`.

    Each body is cut by its real bytes, and at 150,000 rows; `whole` sends one, whatever its size. `rows` may be a
    generator; it is read as far as the next body needs. A lost answer raises `AmbiguousWrite` after the other bodies
    were sent, unless `at_least_once` allows repeating it. A body that is refused after others arrived, and a generator
    that fails then, raise `BulkError`.
    """
    total = Received()
    lost: list[str] = []
    start = 0
    parts = bodies(rows, whole=whole)
    while True:
        try:
            body = next(parts, None)
        except Exception as failure:
            if not start:
                raise
            raise BulkError(
                f"The rows ended with {type(failure).__name__} after {start} of them were sent.{_lost_too(lost)}",
                result=total,
            ) from failure
        if body is None:
            break
        try:
            answer = yield from push_body(path, body, at_least_once=at_least_once)
        except RequestError as failure:
            if may_be_done(failure):
                lost.append(f"{start} to {start + len(body) - 1}")
            elif start:
                raise BulkError(
                    f"The rows from {start} on (counted from 0) were not sent: {failure}{_lost_too(lost)}", result=total
                ) from failure
            else:
                raise
        else:
            _add(total, answer, start)
            total.at = answer.at
        start += len(body)
    if lost:
        raise _ambiguous(lost)
    return total


def push_body(path: str, rows: Sequence[bytes], *, at_least_once: bool = False) -> Flow[Received]:
    """Send rows that are JSON already as one array, and return what the server said. Raises as the request does."""
    response: Response = yield Request(
        "POST", path, body=b"[" + b",".join(rows) + b"]", host="analytics", auth="none", idempotent=at_least_once
    )
    answer = Received()
    _sum(answer, response)
    answer.at = server_time(response)
    return answer


def _ambiguous(lost: list[str]) -> AmbiguousWrite:
    return AmbiguousWrite(
        f"The answer for rows {', '.join(lost)} (counted from 0) was lost: they may or may not have arrived, and "
        f"were not sent again. Pass at_least_once=True where a value sent twice does no harm."
    )


def _lost_too(lost: list[str]) -> str:
    return f" The answer for rows {', '.join(lost)} was lost." if lost else ""


def push_each(
    path: str, rows: Sequence[Mapping[str, Any]], *, auth: Auth = "none", at_least_once: bool = False
) -> Flow[Received]:
    """Send rows as one object each and return the answers summed up.

    The first that fails is raised as it is when nothing was sent before it. Else the others go on, and lost ones
    raise `AmbiguousWrite`; a refusal raises `BulkError` there.
    """
    total = Received()
    lost: list[str] = []
    for place, row in enumerate(rows):
        try:
            answer = yield from push_one(path, row, auth=auth, at_least_once=at_least_once)
        except AmbiguousWrite:
            if len(rows) == 1:
                raise
            lost.append(str(place))
        except RequestError as failure:
            if not place:
                raise
            raise BulkError(
                f"The rows from {place} on (counted from 0) were not sent: {failure}{_lost_too(lost)}", result=total
            ) from failure
        else:
            _add(total, answer, place)
            total.at = answer.at
    if lost:
        raise _ambiguous(lost)
    return total


def push_one(path: str, row: Mapping[str, Any], *, auth: Auth = "none", at_least_once: bool = False) -> Flow[Received]:
    """Send one object and return what the server said, or an empty dict."""
    request = Request("POST", path, body=encode(row), host="analytics", auth=auth, idempotent=at_least_once)
    response: Response = yield from once(request)
    answer = Received()
    _sum(answer, response)
    answer.at = server_time(response)
    return answer


def metrics_path() -> str:
    """Where metrics are sent."""
    return f"/{resource('metric').path}/{TENANT}"


def activity_path(*, bulk: bool = False) -> str:
    """Where user activities are sent."""
    return f"/analytics/bulk/{TENANT}" if bulk else f"/analytics/{TENANT}"


SEGMENT_PATH = "/dock/segment"


def dimension_data(params: Mapping[str, str], *, limit: int, max_requests: int = 0) -> Flow[None]:
    """Emit pages of dimension data, by offset, until one comes back empty.

    Its rows have no order that could be asked for, so repeats are dropped by `_id`.
    """
    metric: Resource = resource("metric")
    offset, requests = 0, 0
    before: list[dict[str, Any]] = []
    seen: set[str] = set()
    while not max_requests or requests < max_requests:
        query = (*params.items(), ("limit", str(limit)), ("offset", str(offset)))
        response: Response = yield Request("GET", f"/{metric.path}", params=query, shape=list)
        requests += 1
        rows = rows_of(response, metric)
        if any(not isinstance(row.get("_id"), str | None) for row in rows):
            raise BadAnswer(f"GET /{metric.path} held a row whose _id is no text: it cannot be told from others.")
        fresh = [row for row in rows if row.get("_id") is None or row["_id"] not in seen] if rows != before else []
        seen.update(row["_id"] for row in fresh if row.get("_id") is not None)
        if not fresh:
            return
        yield Emit(fresh)
        offset, before = offset + len(rows), rows


def check_rows(
    kind: Resource, rows: Iterable[Mapping[str, Any]], *, strict: bool = False
) -> Iterator[Mapping[str, Any]]:
    """Pass rows on, and say which lack what the endpoint keeps nothing without.

    They are sent all the same, as the raw endpoint that this is, with a warning in the log; `strict` raises
    `ValidationError` instead, before anything is sent.
    """
    if isinstance(rows, (str, bytes)) or not isinstance(rows, Iterable):
        raise ValidationError(
            f"Rows of {kind.attribute} come as a list or a generator of dicts, not as a {type(rows).__name__}."
        )
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValidationError(f"Row {place} is a {type(row).__name__}: give dicts.")
        row = _flat(kind, place, row)
        missing = [name for name in kind.required if row.get(name) in (None, "")]
        missing += [" or ".join(group) for group in kind.required_any if not any(row.get(name) for name in group)]
        if missing:
            text = f"Row {place} of {kind.attribute} lacks {', '.join(missing)}"
            if strict:
                raise ValidationError(f"{text}; the server would ignore it silently.")
            logger.warning("%s: Planhat answers 200 and most likely keeps nothing of it.", text)
        yield row


def _flat(kind: Resource, place: int, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row whose ids are bare: `values_list("external_id")` without `flat=True` gives them in lists of one.

    Raises `ValidationError` for an id that is neither text nor a whole number.
    """
    lists = {name: value for name, value in row.items() if isinstance(value, (list, dict)) and _is_scalar(kind, name)}
    for name, value in lists.items():
        if not isinstance(value, list) or len(value) != 1 or isinstance(value[0], (list, dict)):
            what = "an object" if isinstance(value, dict) else f"a list of {len(value)}"
            raise ValidationError(f"Row {place}: {name} must be one value, not {what}.")
    flat = {**row, **{name: value[0] for name, value in lists.items()}} if lists else row
    for name, value in flat.items():
        if name.endswith("Id") and value is not None and (isinstance(value, bool) or not isinstance(value, (str, int))):
            raise ValidationError(f"Row {place}: {name} must be text or a whole number, not {type(value).__name__}.")
    return flat


def _is_scalar(kind: Resource, name: str) -> bool:
    if name in kind.required or name == "date":
        return True
    return name in kind.fields and kind.fields[name].type.partition(" ")[0] not in ("array", "object")


def bodies(rows: Iterable[Mapping[str, Any]], *, whole: bool = False) -> Iterator[list[bytes]]:
    """Rows as JSON, in parts that fit into one body each; all in one with `whole`."""
    most_bytes, most_rows = (float("inf"), float("inf")) if whole else (MAX_BYTES, MAX_ROWS)
    part: list[bytes] = []
    size = 2
    for row in rows:
        body = encode(row)
        if part and (size + len(body) + 1 > most_bytes or len(part) >= most_rows):
            yield part
            part, size = [], 2
        part.append(body)
        size += len(body) + 1
    if part:
        yield part


def _sum(total: dict[str, Any], response: Response) -> None:
    """Add an answer to the total: numbers add up, lists join."""
    try:
        data = json_decoding.decode(response.body)
    except msgspec.DecodeError:
        return  # what the sink answers beside "200" is open (docs/reference/planhat-api.md section 11)
    if isinstance(data, dict):
        _add(total, data, 0)


def _add(total: dict[str, Any], data: Mapping[str, Any], start: int) -> None:
    """Add what one body was answered. Rows are counted from the first of all bodies."""
    for name, value in data.items():
        before = total.get(name)
        if isinstance(value, list):
            total[name] = [*(before if isinstance(before, list) else ()), *(_from(start, item) for item in value)]
        elif isinstance(value, int) and not isinstance(value, bool):
            total[name] = value + (before if isinstance(before, int) else 0)
        else:
            total[name] = value


def _from(start: int, item: Any) -> Any:
    index = item.get("index") if isinstance(item, dict) else None
    return {**item, "index": start + index} if isinstance(index, int) and not isinstance(index, bool) else item
