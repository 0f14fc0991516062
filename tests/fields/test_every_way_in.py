"""Every way in x every scalar x every kind of field: one meaning on the wire, or a `ValidationError` that says where.

What a value means is in `scalar_values`, what a kind makes of it in `_on_the_wire`: neither shares code with the gate.
The server stores what it is told; what counts is what arrives there.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pytest

from planhat_orm import License, Planhat, ValidationError
from planhat_orm.http.clock import Clock
from planhat_orm.query import tree, walk

from ..registry import no_clients
from ..scale import sized
from .scalar_values import NONE, NULL, VALUES, Meaning
from .ways import CUSTOM_WAYS, ID, ROWS, TARGETS, WAYS, Stored, Target

pytestmark = pytest.mark.filterwarnings("ignore")
EPOCH = date(1970, 1, 1)

REFUSED = object()


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _parsed(text: str) -> Meaning:
    for read, type in ((date.fromisoformat, "day"), (datetime.fromisoformat, "moment")):
        try:
            found = read(text.strip())
        except ValueError:
            continue
        if isinstance(found, datetime) and found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return Meaning(type, found)
    return NONE


def _on_the_wire(kind: str, meaning: Meaning) -> Any:
    """What a field of a kind sends for a meaning; `REFUSED` where it takes none."""
    type, value = meaning.type, meaning.value
    if meaning == NONE:
        return REFUSED
    if meaning == NULL:
        return None
    if kind in ("moment", "day") and type == "text":
        type, value = _parsed(value).type, _parsed(value).value
    match kind, type:
        case "text" | "id" | "key", "text":
            return value
        case "key", "number" | "whole" if isinstance(value, int):
            return str(value)
        case "number" | "any", "number":
            return value
        case "whole", "number" if value == int(value) and abs(value) < 2**53:
            return value
        case "truth" | "any", "truth":
            return value
        case "moment" | "any", "moment":
            return _iso(value)
        case "moment", "day":
            return f"{value.isoformat()}T00:00:00.000Z"
        case "day", "day":
            return (value - EPOCH).days
        case "day", "moment" if value.time() == datetime.min.time():
            return (value.date() - EPOCH).days
        case "any", "text":
            return value
        case "list" | "any", "list":
            return value
        case "texts", "list" if all(isinstance(item, str) for item in value):
            return value
        case "object" | "any", "object":
            return value
    return REFUSED


# --- into fields ----------------------------------------------------------------------------------------


@pytest.fixture
def planhat() -> Iterator[Planhat]:
    with no_clients():
        client = Planhat(
            "token", "tenant", api_url="https://tenant", calls_per_min=1e9, scan="allow", clock=Clock(1000)
        )
        with client:
            yield client


@pytest.fixture
def server(planhat: Planhat) -> Stored:
    planhat._holdings.driver = driver = Stored(planhat._session, License)
    return driver


def _wire(target: Target, rows: list[dict[str, Any]]) -> Any:
    """What arrived, of the last row that was sent; None where nothing was."""
    row: Any = rows[-1] if rows else {}
    if target.label:
        return (row.get("custom") or {}).get(target.label)
    return row.get(target.model._meta.fields[target.name].wire)


def _same(sent: Any, wanted: Any) -> bool:
    """As JSON, and a list or dict without anything in it is as good as none."""
    empty: tuple[Any, ...] = (None, [], {})
    return (sent in empty and wanted in empty and not isinstance(sent, bool)) or (
        json.dumps(sent) == json.dumps(wanted)
        or (type(sent) in (int, float) and type(wanted) in (int, float) and sent == wanted)
    )


def _problem(target: Target, way: str, call: Callable[[], Any], server: Stored, wanted: Any) -> str:
    """What is wrong with how a value was taken; empty when nothing is."""
    server.model, server.rows = target.model, []
    try:
        call()
    except ValidationError as wrong:
        if wanted is not REFUSED:
            return f"refused: {wrong}"
        if server.rows:
            return f"refused after {server.rows} was sent"
        if not any(name and name in str(wrong) for name in (target.name, target.label)):
            return f"the error does not name the field: {wrong}"
        if way in ROWS and "row 0" not in str(wrong).lower():
            return f"the error does not name the row: {wrong}"
        return ""
    except Exception as wrong:
        return f"{type(wrong).__name__}: {wrong}"
    sent = _wire(target, server.rows)
    if wanted is REFUSED:
        return f"taken as {sent!r}"
    return "" if _same(sent, wanted) else f"sent {sent!r}, not {wanted!r}"


def _is_missing(value: Any) -> bool:
    """Whether a cell is empty: NaN of any library, NaT, NA, null."""
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, pa.Scalar):
        return not value.is_valid
    if isinstance(value, np.timedelta64):
        return False  # no field holds a span of time
    return pd.api.types.is_scalar(value) and not isinstance(value, complex) and bool(pd.isna(value))


def _in_a_cell(target: Target, value: Any, meaning: Meaning) -> Any:
    """What a cell of a table says: empty ones clear, numbers are keys and names too, and text is read by the field."""
    kind, wanted = target.kind, _on_the_wire(target.kind, meaning)
    if _is_missing(value):
        return None
    if kind in ("text", "key", "id"):
        if isinstance(value, Integral) and not isinstance(value, (bool, np.timedelta64)):
            return str(int(value))
        if meaning.type == "number" and meaning.value == int(meaning.value) and not isinstance(value, Fraction):
            return str(int(meaning.value)) if abs(meaning.value) < 2**53 else REFUSED  # rounded, perhaps
    if meaning.type != "text":
        return wanted
    if kind in ("texts", "list") and not isinstance(value, str):
        return REFUSED
    text = meaning.value.strip()
    match kind:
        case "number" | "whole" if text == "5":
            return 5
        case "truth" if text == "true":
            return True
        case "texts" | "list":
            return [text] if text else None
        case "id" | "key":
            return unicodedata.normalize("NFC", text) or None
        case "moment" if text == "31.01.2026":
            return "2026-01-31T00:00:00.000Z"
        case "day" if text == "31.01.2026":
            return (date(2026, 1, 31) - EPOCH).days
    return None if not text else wanted


def _wanted(target: Target, way: str, value: Any, meaning: Meaning) -> Any:
    if way == "reconcile":
        return _in_a_cell(target, value, meaning)
    if way in ROWS and target.name and _is_missing(value):
        return None  # as `to_dict("records")` of a frame leaves an empty cell
    wanted = _on_the_wire(target.kind, meaning)
    if way in ROWS and target.name and target.kind in ("id", "key") and isinstance(wanted, str):
        return unicodedata.normalize("NFC", wanted.strip())
    if target.kind == "day" and way in CUSTOM_WAYS and meaning.type == "number" and abs(meaning.value) < 10_000:
        # The dict holds values of the API, which counts days from 1970 on.
        return meaning.value if meaning.value == int(meaning.value) else REFUSED
    if target.kind in ("number", "whole") and way in CUSTOM_WAYS and meaning == Meaning("text", "5"):
        return 5  # as some answers have it
    return wanted


def _cases() -> list[tuple[Target, str, Any, Meaning]]:
    cases = [
        (target, way, value, meaning)
        for target in TARGETS
        for way in (
            *(name for name in WAYS if target.name or name != "attribute"),
            *(CUSTOM_WAYS if target.label else ()),
        )
        for value, meaning in VALUES
    ]
    random.Random(1).shuffle(cases)
    return cases[: sized(8_000, len(cases))]


@pytest.mark.usefixtures("planhat")
def test_a_value_is_taken_with_one_meaning_on_every_way_or_refused_by_name(server: Stored) -> None:
    problems = []
    for target, way, value, meaning in _cases():
        call, wanted = {**WAYS, **CUSTOM_WAYS}[way], _wanted(target, way, value, meaning)
        problem = _problem(target, way, lambda: call(target, value), server, wanted)  # noqa: B023
        if problem:
            problems.append(f"{way} of {_shown(value)} in {target}: {problem}")
    _none(problems)


def _shown(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__name__} {value!r}"


def _none(problems: list[str]) -> None:
    assert not problems, "\n".join([f"{len(problems)} problems", *sorted(problems)[: sized(40, 400)]])


# --- past fields: plain endpoints -----------------------------------------------------------------------


def _plain(meaning: Meaning) -> Any:
    """What JSON has for a value: days and moments are text."""
    return meaning.value.isoformat() if meaning.type == "day" else _on_the_wire("any", meaning)


def _plain_ways(planhat: Planhat) -> dict[str, Callable[[Any], Any]]:
    new = {"companyId": ID, "_currency": "EUR", "value": 1, "externalId": "none"}
    metric = {"dimensionId": "d", "externalId": "a", "value": 1}
    return {
        "create": lambda value: planhat.license.create({**new, "custom": {"X": value}}),
        "update": lambda value: planhat.license.update(ID, {"custom": {"X": value}}),
        "bulk_upsert": lambda value: planhat.license.bulk_upsert([{**new, "custom": {"X": value}}]),
        "metrics": lambda value: planhat.metrics.bulk_insert_metrics([{**metric, "custom": {"X": value}}]),
        "activity": lambda value: planhat.user_activity.create_activity(
            {"email": "a@b.c", "action": "x", "custom": {"X": value}}
        ),
        "segment": lambda value: planhat.user_activity.segment(
            {"type": "track", "userId": "1", "custom": {"X": value}}
        ),
    }


def test_plain_endpoints_send_what_json_has_for_a_value_or_refuse_it_by_name(planhat: Planhat, server: Stored) -> None:
    target, problems = Target("any", License, label="X"), []
    for way, call in _plain_ways(planhat).items():
        for value, meaning in VALUES:
            name = "bulk_create" if way in ("bulk_upsert", "metrics") else way
            problem = _problem(target, name, lambda: call(value), server, _on_the_wire("any", meaning))  # noqa: B023
            if problem:
                problems.append(f"{way} of {_shown(value)}: {problem}")
    _none(problems)


def test_plain_endpoints_send_days_of_other_fields_as_text(planhat: Planhat, server: Stored) -> None:
    planhat.license.update(ID, {"fromDate": date(2026, 1, 31), "custom": {"X": [date(2026, 1, 31)]}})
    assert server.rows == [{"fromDate": "2026-01-31", "custom": {"X": ["2026-01-31"]}}]


# --- filters --------------------------------------------------------------------------------------------


def _comparable(kind: str, meaning: Meaning) -> Any:
    """What a condition on a field compares with: what the field would hold."""
    if kind in ("list", "texts", "any"):
        return _plain(meaning) if meaning.type not in ("list", "object") else REFUSED
    wanted = _on_the_wire("number" if kind == "whole" else kind, meaning)
    if kind in ("text", "id", "key") and meaning.type in ("number", "whole") and isinstance(meaning.value, int):
        return str(meaning.value)  # text that is a number is compared with numbers, too
    return wanted


def _dated(meaning: Meaning) -> list[Any]:
    """What a field of unknown kind is compared with: the moment as text, and a day as the number of days too."""
    moment = _on_the_wire("moment", meaning)
    day = _on_the_wire("day", meaning)
    return [moment] if day is REFUSED else [moment, float(day)]


def _operand(target: Target, op: str, value: Any) -> Any:
    name = f"custom__{target.label}" if target.label else target.name
    where = target.model.objects.filter(**{f"{name}__{op}": value})._query.where
    operands: list[Any] = [test.value[0] if op in ("in", "overlap") else test.value for test in walk.tests_in(where)]
    return operands if target.kind == "any" and isinstance(where, tree.Any) else operands[0]


def test_a_condition_compares_with_what_a_field_would_hold_or_refuses_the_value_by_name(planhat: Planhat) -> None:
    problems = []
    for target in TARGETS:
        lists = target.kind in ("list", "texts")
        for op in (
            ("contains", "overlap") if lists else ("exact", "in", "gte") if target.kind != "truth" else ("exact", "in")
        ):
            for value, meaning in VALUES if target.kind != "object" else ():
                if meaning == NULL:
                    continue
                dated = target.kind == "any" and meaning.type in ("day", "moment")
                wanted = _dated(meaning) if dated else _comparable(target.kind, meaning)
                given = [value] if op in ("in", "overlap") else value
                try:
                    found = _operand(target, op, given)
                except ValidationError as wrong:
                    named = any(name and name in str(wrong) for name in (target.name, target.label))
                    problem = "" if wanted is REFUSED and named else f"refused: {wrong}"
                except Exception as wrong:
                    problem = f"{type(wrong).__name__}: {wrong}"
                else:
                    problem = f"{found!r}, not {wanted!r}" if wanted is REFUSED or not _same(found, wanted) else ""
                if problem:
                    problems.append(f"{op} of {_shown(value)} in {target}: {problem}")
    _none(problems)


# --- keys -----------------------------------------------------------------------------------------------

KEY_WAYS: dict[str, Callable[[Any], Any]] = {
    "in_bulk": lambda value: License.objects.in_bulk([value], key="external_id"),
    "get": lambda value: License.objects.get_or_none(external_id=value),
    "get_or_create": lambda value: License.objects.get_or_create(_REST, external_id=value),  # type: ignore[has-type]
    "update_or_create": lambda value: License.objects.update_or_create(_REST, external_id=value),  # type: ignore[has-type]
}
_REST = {"company_id": ID, "currency": "EUR", "value": 1}


@pytest.mark.usefixtures("planhat")
@pytest.mark.parametrize("way", KEY_WAYS)
def test_a_key_is_the_text_or_whole_number_that_was_given_or_refused_by_name(way: str, server: Stored) -> None:
    problems = []
    for value, meaning in VALUES:
        server.paths, server.rows = [], []
        wanted = _on_the_wire("key", meaning)
        try:
            KEY_WAYS[way](value)
        except ValidationError as wrong:
            problem = "" if wanted in (REFUSED, None) and "external_id" in str(wrong) else f"refused: {wrong}"
        except Exception as wrong:
            problem = f"{type(wrong).__name__}: {wrong}"
        else:
            sent = [row.get("externalId") for row in server.rows] + [
                path.partition("extid-")[2] for path in server.paths
            ]
            problem = "" if wanted in sent else f"sent {sent}, not {wanted!r}"
        if problem:
            problems.append(f"{_shown(value)}: {problem}")
    _none(problems)
