"""Values of metrics: whose and of which day they are, and which of them the server does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from .. import arguments
from ..errors import ValidationError
from ..http.effects import Flow
from ..http.flows import collected
from . import analytics, find_by_keys
from .resources import resource

Day = int | str | date | datetime
Owner = tuple[str, str]
"""A record that values are for: its model, and its key in the user's own system."""
Row = Mapping[str, Any]

MODELS = ("company", "enduser", "asset", "project")
"""The models whose records have metrics."""
_FIRST = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = ((day - _FIRST).days for day in (date.min, date.max))


def epoch_day(moment: Day) -> int:
    """The number of a day, counted from 1970-01-01; a moment with a zone counts as the day it is in UTC.

    Raises `ValidationError` for what is no day.
    """
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
    return (moment - _FIRST).days


def day_of(row: Row) -> int | None:
    """The day of a value; None where the server dates it."""
    return epoch_day(row["date"]) if row.get("date") else None


def owner_of(row: Row) -> Owner:
    """The record that a value is for."""
    return str(row.get("model") or "company").lower(), str(row["externalId"])


def owners(rows: Iterable[Row]) -> Flow[dict[Owner, str | None]]:
    """The `_id` of each record that values are for, None for one that is not there. GETs, or a list for many."""
    wanted: dict[str, dict[str, None]] = {}
    for row in rows:
        model, key = owner_of(row)
        wanted.setdefault(model, {})[key] = None
    found: dict[Owner, str | None] = {}
    for model, keys in wanted.items():
        if model not in MODELS:
            continue  # the server may know more models than we do: any record of the value will do
        records = yield from find_by_keys.find(resource(model), [{"externalId": key} for key in keys])
        found |= {(model, key): item["_id"] if item else None for key, item in zip(keys, records, strict=True)}
    return found


def stored(rows: Sequence[Row], today: int) -> Flow[list[dict[str, Any]]]:
    """The server's values of the days that rows are of. One GET for 10,000."""
    days = [today if (day := day_of(row)) is None else day for row in rows]
    params = {"from": str(min(days) - 1), "to": str(max(days) + 1)}
    names = {str(row["dimensionId"]) for row in rows}
    if len(names) == 1:
        params["dimid"] = names.pop()
    return (yield from collected(analytics.dimension_data(params, limit=10_000)))


def missing(rows: Sequence[Row], known: Mapping[Owner, str | None], values: Iterable[Row]) -> list[int]:
    """The places of the rows that are not among the server's values; each of those stands for one row.

    `known` is what `owners()` found.
    """
    pool: dict[tuple[str, str, str | None], Counter[int | None]] = {}
    for item in values:
        day = epoch_day(item["time"]) if item.get("time") else None
        for parent in {item.get("parentId") or item.get("companyId"), None}:
            pool.setdefault((str(item.get("dimensionId")), _number(item.get("value")), parent), Counter())[day] += 1
    lost = []
    # A row without a day takes what the dated ones leave.
    for place in sorted(range(len(rows)), key=lambda place: not rows[place].get("date")):
        row, owner = rows[place], owner_of(rows[place])
        name = (str(row["dimensionId"]), _number(row["value"]))
        if owner in known and known[owner] is None:
            lost.append(place)
            continue
        held = pool.get((*name, known.get(owner)), Counter())
        day = day_of(row) if row.get("date") else next((day for day, left in held.items() if left > 0), None)
        if held[day] > 0:
            held[day] -= 1
        else:
            lost.append(place)
    return sorted(lost)


def _number(value: Any) -> str:
    """A number as a text that 1, 1.0 and "1" share."""
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        return str(value)
