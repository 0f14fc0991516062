"""Metrics: values of dimensions by day, pushed to the analytics host and read from the main one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import arguments
from ..errors import BulkError, ValidationError
from ..http.effects import Emit, Flow, Sleep
from ..http.flows import mapped
from ..tabular.frame_rows import Frame, as_rows
from ..wire import analytics, metric_values
from ..wire.metric_values import Day, epoch_day, owner_of
from ..wire.resources import resource
from .analytics_base import AnalyticsEndpoint, check_flags, checked, raise_for, recorded
from .endpoints import Page, Record
from .list_filters import one_key

if TYPE_CHECKING:
    from ..runtime import Client

_PUSH = "send values with planhat.metrics.bulk_insert_metrics([...])"
_READ = "read values with planhat.metrics.get_dimension_data(from_day, to_day)"
_NO_CHANGE = "Planhat has no way to change or delete a value"


def epoch_days(moment: Day, reference: Day = "1970-01-01") -> int:
    """Whole days from `reference` to a day: an ISO text with or without time, a date, a datetime, or days.

    A moment with a zone counts as the day it is in UTC, where Planhat keeps days.

    >>> epoch_days("2026-01-01")
    20454
    """
    return epoch_day(moment) - epoch_day(reference)


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

    def record(self, data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame) -> int:
        """Write values down in the mirror's outbox, for `planhat.push()` to send; return how many wait.

        Rows as `bulk_insert_metrics()` takes them. Makes no request, so it works offline; a crash loses and doubles
        none. A value is that of its day (today, in UTC, where it has no `date`), dimension and record: a newer one
        takes the place of one that waits. Inside a batch they wait for its end. Raises `ValidationError` for a row that
        the server would ignore, `ConfigurationError` without a mirror.

        >>> planhat.metrics.record({"dimensionId": "logins", "externalId": "acct-1", "value": 42})  # doctest: +SKIP
        1
        """
        return self._client.run(self._record(data))

    async def arecord(self, data: Mapping[str, Any] | Iterable[Mapping[str, Any]] | Frame) -> int:
        """Do what `record()` does, in a task."""
        return await self._client.arun(self._record(data))

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

    def _record(self, data: Any) -> Flow[int]:
        today = datetime.now(UTC).date()
        rows = list(recorded(self._resource, data, self._client.zone))
        return (yield from self._client.writer.record("metric", [_dated(row, today) for row in rows]))

    def _verify(self, rows: list[dict[str, Any]], answer: analytics.Received) -> Flow[None]:
        """Read back what was pushed; the sink works behind its answer, so look a few times."""
        today = int(answer.at // 86400)
        owners = yield from metric_values.owners(rows)
        lost = {place for place, row in enumerate(rows) if owners.get(owner_of(row), "") is None}
        missing: list[int] = []
        for look in range(_LOOKS):
            if look:
                yield Sleep(_PAUSE)
            missing = metric_values.missing(rows, owners, (yield from metric_values.stored(rows, today)))
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
        params = {"from": str(epoch_day(from_day)), "to": str(epoch_day(to_day))}
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


def _dated(row: Mapping[str, Any], today: date) -> tuple[str, dict[str, Any]]:
    """A value as it waits: with the day, the dimension and the record that it is of, and its day as text."""
    if isinstance(row["value"], bool) or not isinstance(row["value"], (int, float)):
        raise ValidationError(f"The value of a metric is a number, not a {type(row['value']).__name__}.")
    given = row.get("date") or today
    day = date(1970, 1, 1) + timedelta(epoch_day(given))
    date_text = given if isinstance(given, str) else day.isoformat()
    model, key = owner_of(row)
    parts = (model, key, str(row["dimensionId"]), day.isoformat())
    return "/".join(quote(part, safe="") for part in parts), {**row, "date": date_text}
