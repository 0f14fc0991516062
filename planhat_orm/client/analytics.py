"""The endpoints with verbs of their own: metrics and user activities."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from ..errors import BulkError, PlanhatError, ValidationError
from ..http.effects import Flow, Sleep
from ..http.flows import collected
from ..query import kinds
from ..wire import analytics
from ..wire.resources import resource
from .endpoints import Page, Record

if TYPE_CHECKING:
    from .planhat import Planhat

Day = int | str | date | datetime


def epoch_days(moment: Day, reference: Day = "1970-01-01") -> int:
    """Whole days from `reference` to a day: an ISO text with or without time, a date, a datetime, or days.

    A moment with a zone counts as the day it is in UTC, where Planhat keeps days.

    >>> epoch_days("2026-01-01")
    20454
    """
    return _days(moment) - _days(reference)


def _days(moment: Day) -> int:
    if isinstance(moment, bool):
        raise ValidationError("A day is a date, an ISO text, or a number of days, not a bool.")
    if isinstance(moment, int):
        return moment
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


class Metrics:
    """`planhat.metrics`: dimension data, pushed to the analytics host and read from the main one."""

    def __init__(self, client: Planhat) -> None:
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
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]],
        auto_chunk: bool = True,
        raise_on_error: bool = False,
        *,
        verify: bool = False,
        at_least_once: bool = False,
    ) -> Record:
        """Push metric values: `{"dimensionId", "value", "externalId", "model"?, "date"?}` each.

        Needs the tenant token. One POST for every 32 MB (one in all with `auto_chunk=False`), outside of the
        quota. The server answers 200 whatever comes: `verify=True` reads the values back, waiting up to half a
        minute, and raises `PlanhatError` naming how many are missing. A lost answer raises `AmbiguousWrite`
        unless `at_least_once`.
        """
        return self._client.run(self._push(data, auto_chunk, raise_on_error, verify, at_least_once))

    async def abulk_insert_metrics(
        self,
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]],
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
        data: Mapping[str, Any] | Iterable[Mapping[str, Any]],
        auto_chunk: bool,
        raise_on_error: bool,
        verify: bool,
        at_least_once: bool,
    ) -> Flow[Record]:
        self._client.writer.guard()
        rows = [data] if isinstance(data, Mapping) else list(data)
        checked = [_dated(row) for row in analytics.check_rows(self._resource, rows, strict=verify)]
        path = analytics.metrics_path()
        if not checked:
            return {}
        answer: analytics.Received
        if isinstance(data, Mapping):
            answer = yield from analytics.push_one(path, checked[0], at_least_once=at_least_once)
        else:
            answer = yield from analytics.push_many(path, checked, at_least_once=at_least_once, whole=not auto_chunk)
        if raise_on_error and answer.get("errors"):
            raise BulkError(f"The server named {len(answer['errors'])} metric rows as bad.", result=answer)
        if verify:
            yield from self._verify(checked, int(answer.at // 86400))
        return answer

    def _verify(self, rows: list[dict[str, Any]], today: int) -> Flow[None]:
        """Read back what was pushed; the sink works behind its answer, so look a few times."""
        days = [_days(row["date"]) if row.get("date") else today for row in rows]
        missing = list(range(len(rows)))
        for look in range(_LOOKS):
            if look:
                yield Sleep(_PAUSE)
            pool: Counter[tuple[str, str, int | None]] = Counter()
            for one in (yield from collected(self._read(min(days) - 1, max(days) + 1, None, None, 10000, 0))):
                name, value = str(one.get("dimensionId")), _number(one.get("value"))
                pool.update([(name, value, _days(one["time"]) if one.get("time") else None), (name, value, None)])
            missing = []
            for place, row in enumerate(rows):
                key = (str(row["dimensionId"]), _number(row["value"]), _days(row["date"]) if row.get("date") else None)
                if pool[key] > 0:
                    pool[key] -= 1
                else:
                    missing.append(place)
            if not missing:
                return
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        raise PlanhatError(
            f"{len(missing)} of {len(rows)} metric values cannot be read back, rows {shown} (counted from 0): the "
            f"server most likely knows no record with their externalId."
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
        params = {"from": str(_days(from_day)), "to": str(_days(to_day))}
        if company_id:
            params["cId"] = company_id
        if dimension_id:
            params["dimid"] = dimension_id
        yield from analytics.dimension_data(params, limit=max(1, min(limit, 10000)), max_requests=max_requests)


class UserActivities:
    """`planhat.user_activity`: what contacts did in your product, sent to the analytics host."""

    def __init__(self, client: Planhat) -> None:
        self._client = client
        self._resource = resource("user_activity")

    def create_activity(
        self, data: Mapping[str, Any] | Iterable[Mapping[str, Any]], bulk: bool = False, *, at_least_once: bool = False
    ) -> Any:
        """Send one activity, or with `bulk=True` a list of them. Needs the tenant token.

        Each needs `email` or `externalId`. A lost answer raises `AmbiguousWrite`, unless `at_least_once`
        allows sending it again.
        """
        return self._client.run(self._create(data, bulk, at_least_once))

    async def acreate_activity(
        self, data: Mapping[str, Any] | Iterable[Mapping[str, Any]], bulk: bool = False, *, at_least_once: bool = False
    ) -> Any:
        """Do what `create_activity()` does, in a task."""
        return await self._client.arun(self._create(data, bulk, at_least_once))

    def segment(self, data: Mapping[str, Any], *, at_least_once: bool = False) -> Any:
        """Send one event in Segment's shape (`identify` or `track`). Needs the tenant token."""
        return self._client.run(self._segment(data, at_least_once))

    async def asegment(self, data: Mapping[str, Any], *, at_least_once: bool = False) -> Any:
        """Do what `segment()` does, in a task."""
        return await self._client.arun(self._segment(data, at_least_once))

    def _create(self, data: Any, bulk: bool, at_least_once: bool) -> Flow[Any]:
        self._client.writer.guard()
        if bulk or not isinstance(data, Mapping):
            rows = [data] if isinstance(data, Mapping) else list(data)
            checked = [_dated(row) for row in analytics.check_rows(self._resource, rows)]
            path = analytics.activity_path(bulk=True)
            return (yield from analytics.push_many(path, checked, at_least_once=at_least_once))
        (row,) = analytics.check_rows(self._resource, [data])
        path = analytics.activity_path()
        return (yield from analytics.push_one(path, _dated(row), at_least_once=at_least_once))

    def _segment(self, data: Mapping[str, Any], at_least_once: bool) -> Flow[Any]:
        self._client.writer.guard()
        if data.get("type") not in ("identify", "track"):
            raise ValidationError("A segment event has the type identify or track; Planhat ignores all others.")
        if not (data.get("userId") or data.get("user_id") or (data.get("traits") or {}).get("email")):
            raise ValidationError("A segment event needs a userId, or traits with an email: Planhat ignores it else.")
        return (
            yield from analytics.push_one(
                analytics.SEGMENT_PATH, dict(data), auth="tenant", at_least_once=at_least_once
            )
        )


_LOOKS = 6
_PAUSE = 5.0


def _number(value: Any) -> str:
    """A number as a text that 1, 1.0 and "1" share."""
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        return str(value)


def _dated(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose dates are text, as the API wants them."""
    return {name: _text(value) for name, value in row.items()}


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValidationError("A moment needs a time zone, such as datetime.now(UTC).")
        return kinds.iso(value)
    return value.isoformat() if isinstance(value, date) else value
