"""Metrics: values of dimensions by day, pushed to the analytics host and read from the main one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from .. import arguments
from ..errors import BulkError, ValidationError
from ..http.effects import Emit, Flow, Sleep
from ..http.flows import collected, mapped
from ..query import kinds
from ..tabular.frame_rows import Frame, as_rows
from ..wire import analytics, find_by_keys
from ..wire.resources import resource
from .analytics_base import AnalyticsEndpoint, check_flags, checked, raise_for
from .endpoints import Page, Record
from .list_filters import one_key

if TYPE_CHECKING:
    from ..runtime import Client

Day = int | str | date | datetime
Owner = tuple[str, str]
"""A record that values are for: its model, and its key in the user's own system."""

_PUSH = "send values with planhat.metrics.bulk_insert_metrics([...])"
_READ = "read values with planhat.metrics.get_dimension_data(from_day, to_day)"
_NO_CHANGE = "Planhat has no way to change or delete a value"


def epoch_days(moment: Day, reference: Day = "1970-01-01") -> int:
    """Whole days from `reference` to a day: an ISO text with or without time, a date, a datetime, or days.

    A moment with a zone counts as the day it is in UTC, where Planhat keeps days.

    >>> epoch_days("2026-01-01")
    20454
    """
    return _days(moment) - _days(reference)


_FIRST_DAY, _LAST_DAY = (kinds.DAY.dump(day) for day in (date.min, date.max))


def _days(moment: Day) -> int:
    if isinstance(moment, bool):
        raise ValidationError("A day is a date, an ISO text, or a number of days, not a bool.")
    if isinstance(moment, int):
        return arguments.whole("A day, counted from 1970-01-01,", moment, _FIRST_DAY, _LAST_DAY)
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.strip())
        except ValueError:
            raise ValidationError(f"{moment!r} is no day: write it as 2026-01-31.") from None
    if isinstance(moment, datetime):
        moment = (moment.astimezone(UTC) if moment.tzinfo is not None else moment).date()
    if not isinstance(moment, date):
        raise ValidationError(f"A day is a date, an ISO text, or a number of days, not a {type(moment).__name__}.")
    days: int = kinds.DAY.dump(moment)
    return days


class Metrics(AnalyticsEndpoint):
    """`planhat.metrics`: dimension data, pushed to the analytics host and read from the main one."""

    _instead = {
        "create": _PUSH, "bulk_upsert": _PUSH, "get_list": _READ, "get_by_id": _READ, "update": _NO_CHANGE,
        "delete": _NO_CHANGE,
    }  # fmt: skip

    def __init__(self, client: Client) -> None:
        self._client = client
        self._resource = resource("metric")

    @staticmethod
    def epoc_days_format(date: Day, reference: Day = "1970-01-01") -> int:
        """Whole days from `reference` to a day; takes dates, datetimes with zones, and ISO text.

        >>> Metrics.epoc_days_format("2026-01-01")
        20454
        """
        return epoch_days(date, reference)

    epoch_days_format = epoc_days_format

    def bulk_insert_metrics(
        self,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame,
        auto_chunk: bool = True,
        raise_on_error: bool = False,
        *,
        verify: bool = False,
        at_least_once: bool = False,
    ) -> Record:
        """Push metric values: `{"dimensionId", "value", "externalId", "model"?, "date"?}` each.

        Needs the tenant token. One POST for every 32 MB (one in all with `auto_chunk=False`), outside of the
        quota. A generator is read as it is sent. The server answers 200 whatever comes: `verify=True` looks for
        the records (a GET each for five, one list for more), reads the values back, waiting up to half a minute,
        and raises `BulkError` whose `.result["missing"]` has the numbers of the rows that are not there. A lost
        answer raises `AmbiguousWrite` unless `at_least_once`.
        """
        return self._client.run(self._push(data, auto_chunk, raise_on_error, verify, at_least_once))

    async def abulk_insert_metrics(
        self,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame,
        auto_chunk: bool = True,
        raise_on_error: bool = False,
        *,
        verify: bool = False,
        at_least_once: bool = False,
    ) -> Record:
        """Do what `bulk_insert_metrics()` does, in a task."""
        return await self._client.arun(self._push(data, auto_chunk, raise_on_error, verify, at_least_once))

    def get_dimension_data(
        self,
        from_day: Day,
        to_day: Day,
        company_id: str | None = None,
        dimension_id: str | None = None,
        limit: int = 10000,
        max_requests: int = 0,
    ) -> Iterator[Page]:
        """Yield pages of metric values between two days, both included."""
        return self._client.iterate(self._read(from_day, to_day, company_id, dimension_id, limit, max_requests))

    def aget_dimension_data(
        self,
        from_day: Day,
        to_day: Day,
        company_id: str | None = None,
        dimension_id: str | None = None,
        limit: int = 10000,
        max_requests: int = 0,
    ) -> AsyncIterator[Page]:
        """Do what `get_dimension_data()` does, in a task."""
        return self._client.aiterate(self._read(from_day, to_day, company_id, dimension_id, limit, max_requests))

    def _push(
        self,
        data: Any,
        auto_chunk: bool,
        raise_on_error: bool,
        verify: bool,
        at_least_once: bool,
    ) -> Flow[Record]:
        check_flags(auto_chunk=auto_chunk, raise_on_error=raise_on_error, verify=verify, at_least_once=at_least_once)
        self._client.writer.guard_live()
        path = analytics.metrics_path()
        answer: analytics.Received
        data = as_rows(data)
        if isinstance(data, Mapping):
            rows: Iterable[Mapping[str, Any]] = list(checked(self._resource, [data], self._client.zone, strict=verify))
            (row,) = rows
            answer = yield from analytics.push_one(path, row, at_least_once=at_least_once)
        else:
            rows = checked(self._resource, data, self._client.zone, strict=verify)
            rows = list(rows) if verify or isinstance(data, Sequence) else rows
            answer = yield from analytics.push_many(path, rows, at_least_once=at_least_once, whole=not auto_chunk)
        raise_for(answer, raise_on_error, "metric rows")
        if verify and rows:
            yield from self._verify([dict(row) for row in rows], answer)
        return answer

    def _verify(self, rows: list[dict[str, Any]], answer: analytics.Received) -> Flow[None]:
        """Read back what was pushed; the sink works behind its answer, so look a few times."""
        today = int(answer.at // 86400)
        owners = yield from self._owners(rows)
        days = [_days(row["date"]) if row.get("date") else today for row in rows]
        names = {str(row["dimensionId"]) for row in rows}
        only = names.pop() if len(names) == 1 else None
        lost = {place for place, row in enumerate(rows) if owners.get(_owner(row), "") is None}
        missing: list[int] = []
        for look in range(_LOOKS):
            if look:
                yield Sleep(_PAUSE)
            stored = yield from collected(self._read(min(days) - 1, max(days) + 1, None, only, 10000, 0))
            missing = _missing(rows, owners, stored)
            if not missing:
                return
            if lost.issuperset(missing):
                break  # waiting brings back no value of a record that is not there
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        raise BulkError(
            f"{len(missing)} of {len(rows)} metric values cannot be read back, rows {shown} (counted from 0): "
            f"the server knows no record with the externalId of {len(lost)} of them.",
            result={**answer, "missing": missing},
        )

    def _owners(self, rows: list[dict[str, Any]]) -> Flow[dict[Owner, str | None]]:
        """The `_id` of each record that values are for, None for one that is not there."""
        wanted: dict[str, dict[str, None]] = {}
        for row in rows:
            model, key = _owner(row)
            wanted.setdefault(model, {})[key] = None
        found: dict[Owner, str | None] = {}
        for model, keys in wanted.items():
            if model not in _MODELS:
                continue  # the server may know more models than we do: any record of the value will do
            records = yield from find_by_keys.find(resource(model), [{"externalId": key} for key in keys])
            found |= {(model, key): item["_id"] if item else None for key, item in zip(keys, records, strict=True)}
        return found

    def _read(
        self,
        from_day: Day,
        to_day: Day,
        company_id: str | None,
        dimension_id: str | None,
        limit: int,
        max_requests: int,
    ) -> Flow[None]:
        arguments.whole("limit", limit, 1)
        arguments.whole("max_requests", max_requests, 0)
        params = {"from": str(_days(from_day)), "to": str(_days(to_day))}
        company_id, dimension_id = one_key("company_id", company_id), one_key("dimension_id", dimension_id)
        if company_id:
            # Two spellings are in use (docs/reference/planhat-api.md section 11). A server that knows neither sends
            # every company's.
            params["cId"] = params["cid"] = company_id
        if dimension_id:
            params["dimid"] = dimension_id

        def chosen(rows: Page) -> Flow[None]:
            mine = [row for row in rows if not company_id or row.get("companyId") in (company_id, None)]
            if mine:
                yield Emit(mine)

        pages = analytics.dimension_data(params, limit=min(limit, 10000), max_requests=max_requests)
        yield from mapped(pages, chosen)


_LOOKS = 6
_PAUSE = 5.0
_MODELS = ("company", "enduser", "asset", "project")


def _owner(row: Mapping[str, Any]) -> Owner:
    return str(row.get("model") or "company").lower(), str(row["externalId"])


def _missing(
    rows: list[dict[str, Any]], owners: Mapping[Owner, str | None], stored: Iterable[Mapping[str, Any]]
) -> list[int]:
    """The places of the rows that are not among the stored values; each of those stands for one row."""
    pool: dict[tuple[str, str, str | None], Counter[int | None]] = {}
    for item in stored:
        day = _days(item["time"]) if item.get("time") else None
        for parent in {item.get("parentId") or item.get("companyId"), None}:
            pool.setdefault((str(item.get("dimensionId")), _number(item.get("value")), parent), Counter())[day] += 1
    missing = []
    # A row without a day takes what the dated ones leave.
    for place in sorted(range(len(rows)), key=lambda place: not rows[place].get("date")):
        row, owner = rows[place], _owner(rows[place])
        name = (str(row["dimensionId"]), _number(row["value"]))
        if owner in owners and owners[owner] is None:
            missing.append(place)
            continue
        held = pool.get((*name, owners.get(owner)), Counter())
        day = _days(row["date"]) if row.get("date") else next((day for day, left in held.items() if left > 0), None)
        if held[day] > 0:
            held[day] -= 1
        else:
            missing.append(place)
    return sorted(missing)


def _number(value: Any) -> str:
    """A number as a text that 1, 1.0 and "1" share."""
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        return str(value)
