"""Scalars of Python, numpy, pandas and Arrow: those with one meaning are taken as Python's own, the rest is refused."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from planhat_orm import NPS, Company, Custom, Invoice, License, Planhat, ValidationError
from planhat_orm.errors import ConfigurationError
from planhat_orm.fields.gate import admit, operand
from planhat_orm.query import kinds
from planhat_orm.queryset.operands import part_operand

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

STOCKHOLM = ZoneInfo("Europe/Stockholm")


class Phase(str, enum.Enum):  # noqa: UP042  the older way, which people have
    LIVE = "Live"


class Size(enum.IntEnum):
    SMALL = 3


class Colour(enum.Enum):
    RED = "red"


class TextSubclass(str):
    pass


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TAKEN: list[tuple[kinds.Kind, Any, Any]] = [
    (kinds.TEXT, np.str_("Live"), "Live"),
    (kinds.TEXT, TextSubclass("Live"), "Live"),
    (kinds.TEXT, Phase.LIVE, "Live"),
    (kinds.TEXT, uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (kinds.TEXT, pa.scalar("Live"), "Live"),
    (kinds.NUMBER, np.float64(3.5), 3.5),
    (kinds.NUMBER, np.float32(0.5), 0.5),
    (kinds.NUMBER, np.longdouble(0.5), 0.5),
    (kinds.NUMBER, np.int64(7), 7),
    (kinds.NUMBER, Decimal("0.1"), 0.1),
    (kinds.NUMBER, Decimal("1E3"), 1000),
    (kinds.NUMBER, Fraction(1, 2), 0.5),
    (kinds.NUMBER, Size.SMALL, 3),
    (kinds.NUMBER, pa.scalar(2.5), 2.5),
    (kinds.INTEGER, np.uint8(7), 7),
    (kinds.INTEGER, np.float64(7), 7),
    (kinds.INTEGER, 7.0, 7),
    (kinds.INTEGER, Decimal("7.00"), 7),
    (kinds.BOOLEAN, np.bool_(True), True),
    (kinds.BOOLEAN, np.False_, False),
    (kinds.DATETIME, pd.Timestamp("2026-01-31T12:00Z"), NOON),
    (kinds.DATETIME, pd.Timestamp("2026-01-31T13:00"), NOON),
    (kinds.DATETIME, np.datetime64("2026-01-31T13:00:00.000000000"), NOON),
    (kinds.DATETIME, datetime(2026, 1, 31, 13), NOON),
    (kinds.DATETIME, "2026-01-31T13:00", NOON),
    (kinds.DATETIME, "2026-01-31T12:00Z", NOON),
    (kinds.DATETIME, date(2026, 1, 31), datetime(2026, 1, 30, 23, tzinfo=UTC)),
    (kinds.DATETIME, np.datetime64("2026-01-31"), datetime(2026, 1, 30, 23, tzinfo=UTC)),
    (kinds.DAY, pd.Timestamp("2026-01-31"), date(2026, 1, 31)),
    (kinds.DAY, np.datetime64("2026-01-31"), date(2026, 1, 31)),
    (kinds.DAY, datetime(2026, 1, 30, 23, tzinfo=UTC), date(2026, 1, 31)),
    (kinds.DAY, "2026-01-31", date(2026, 1, 31)),
    (kinds.DAY, date.max, date.max),
    (kinds.LIST, ("a", np.str_("b")), ["a", "b"]),
    (kinds.LIST, np.array(["a", "b"]), ["a", "b"]),
    (kinds.LIST, pd.Series([1.5, 2.5]), [1.5, 2.5]),
    (kinds.OBJECT, {"a": {"b": [np.int64(1), NOON]}}, {"a": {"b": [1, "2026-01-31T12:00:00.000Z"]}}),
]


@pytest.mark.parametrize(("kind", "value", "kept"), TAKEN)
def test_what_has_one_meaning_is_taken_as_pythons_own(kind: kinds.Kind, value: Any, kept: Any) -> None:
    found = admit(kind, value, STOCKHOLM)
    assert found == kept
    assert type(found) is type(kept)


REFUSED: list[tuple[kinds.Kind, Any, str]] = [
    *[
        (kind, missing, "missing value|NaT|None")
        for kind in (kinds.TEXT, kinds.NUMBER, kinds.INTEGER, kinds.BOOLEAN, kinds.DATETIME, kinds.DAY)
        for missing in (float("nan"), np.float64("nan"), Decimal("nan"), pd.NaT, pd.NA, np.datetime64("NaT"))
    ],
    (kinds.NUMBER, np.inf, "finite number, not infinity"),
    (kinds.NUMBER, Decimal("-Infinity"), "finite number"),
    (kinds.NUMBER, Decimal("1E400"), "finite number"),
    (kinds.NUMBER, Fraction(10**400, 3), "a number that a double holds"),
    (kinds.NUMBER, Fraction(1, 3), "a number that a double holds"),
    (kinds.NUMBER, Decimal("0.1234567890123456789012"), "a number that a double holds"),
    (kinds.NUMBER, 2**53, "at most 9007199254740991"),
    (kinds.NUMBER, np.uint64(2**64 - 1), "at most 9007199254740991"),
    (kinds.NUMBER, np.complex128(1), "number.*numpy.complex128"),
    (kinds.NUMBER, np.bool_(True), "number.*numpy.bool"),
    (kinds.NUMBER, pd.Timedelta("1D"), "pandas.Timedelta"),
    (kinds.NUMBER, "5", "number.*1 characters of text"),
    (kinds.TEXT, np.bytes_(b"a"), "text.*numpy.bytes_"),
    (kinds.TEXT, b"a", "text.*bytes"),
    (kinds.TEXT, bytearray(b"a"), "text.*bytearray"),
    (kinds.TEXT, Colour.RED, "text.*Colour"),
    (kinds.TEXT, "\ud83d", "half a character"),
    (kinds.BOOLEAN, np.int64(1), "True or False, not numpy.int64"),
    (kinds.DATETIME, np.datetime64("2026-01"), "numpy.datetime64 of other units"),
    (kinds.DATETIME, datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))), "years 1 to 9999"),
    (kinds.DATETIME, datetime.min, "years 1 to 9999"),
    (kinds.DATETIME, "31.01.2026", "ISO text.*not other text"),
    (kinds.DAY, pd.Timestamp("2026-01-31T12:00Z"), "at midnight in Europe/Stockholm"),
    (kinds.DAY, datetime(2026, 1, 31, tzinfo=UTC), "at midnight in Europe/Stockholm"),
    (kinds.LIST, {"a"}, "a list, not set"),
    (kinds.LIST, [{"a": {1}}], r"not set"),
    (kinds.LIST, [b"a"], "not bytes"),
    (kinds.LIST, np.zeros((2, 2)), "a list, not numpy.ndarray"),
    (kinds.OBJECT, {1: "a"}, "str keys"),
    (kinds.OBJECT, {"a": float("nan")}, "missing value"),
]


@pytest.mark.parametrize(("kind", "value", "words"), REFUSED)
def test_what_has_none_is_refused_by_name(kind: kinds.Kind, value: Any, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        admit(kind, value, STOCKHOLM)
    with pytest.raises(ValidationError, match=words):
        _Probe(kind).check(value, STOCKHOLM)
    assert type(caught.value).__module__.startswith("planhat_orm")


def _Probe(kind: kinds.Kind) -> Any:
    from planhat_orm.fields import Field

    field: Any = Field(kind)
    field.__set_name__(Company, "probe")
    return field


def test_a_value_that_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValidationError, match="nested deeper than 64 levels"):
        Company(custom={"Box": circle})


@pytest.mark.parametrize(
    ("kind", "op", "value", "wanted"),
    [
        (kinds.NUMBER, "gte", np.int64(5), 5.0),
        (kinds.NUMBER, "in", np.array([1, 2]), (1.0, 2.0)),
        (kinds.NUMBER, "range", (Decimal("1"), np.float64(2)), (1.0, 2.0)),
        (kinds.TEXT, "exact", np.str_("a"), "a"),
        (kinds.TEXT, "in", pd.Series(["a", "b"]), ("a", "b")),
        (kinds.BOOLEAN, "exact", np.bool_(True), True),
        (kinds.TEXT, "isnull", np.bool_(True), True),
        (kinds.DATETIME, "gte", pd.Timestamp("2026-01-31"), "2026-01-31T00:00:00.000Z"),
        (kinds.DAY, "lte", np.datetime64("2026-01-31"), (date(2026, 1, 31) - date(1970, 1, 1)).days),
        (kinds.ANY, "exact", np.int64(5), 5.0),
        (kinds.LIST, "contains", np.str_("a"), "a"),
    ],
)
def test_operands_pass_the_same_gate(kind: kinds.Kind, op: str, value: Any, wanted: Any) -> None:
    found = operand(kind, op, value, "x")
    assert found == wanted
    assert type(found) is type(wanted)


def test_parts_of_dates_pass_the_same_gate() -> None:
    assert part_operand("year", "exact", np.int64(2026), "x") == 2026.0
    assert part_operand("month", "in", np.array([1, 2]), "x") == (1.0, 2.0)
    days = (date(2026, 1, 31) - date(1970, 1, 1)).days
    assert part_operand("date", "gte", np.datetime64("2026-01-31"), "x") == days
    assert part_operand("date", "exact", pd.Timestamp("2026-01-31T23:00:00+02:00"), "x") == days
    for value in (True, 1.5, "2026", float("nan"), pd.NA, b"a"):
        with pytest.raises(ValidationError, match="x__year__gte needs"):
            part_operand("year", "gte", value, "x")


@pytest.mark.parametrize("value", [float("nan"), pd.NaT, pd.NA, np.inf, b"a", {1}, np.complex128(1), "\ud83d", 2**53])
@pytest.mark.parametrize("kind", [kinds.TEXT, kinds.NUMBER, kinds.DATETIME, kinds.ANY])
def test_an_operand_without_a_meaning_is_refused_with_its_lookup(kind: kinds.Kind, value: Any) -> None:
    if kind is kinds.TEXT and isinstance(value, int):
        return  # its digits
    with pytest.raises(ValidationError, match="x__gte needs"):
        operand(kind, "gte", value, "x")


def test_moments_compare_to_the_microsecond() -> None:
    late = Company.objects.filter(last_updated__lt=datetime(2026, 1, 31, 12, 0, 0, 500, tzinfo=UTC))._query.where
    from planhat_orm.query.predicate import predicate

    match = predicate(late)
    assert match({"lastUpdated": "2026-01-31T12:00:00.000Z"})
    assert not match({"lastUpdated": "2026-01-31T12:00:00.001Z"})
    same = predicate(Company.objects.filter(last_updated=datetime(2026, 1, 31, 12, 0, 0, 500, tzinfo=UTC))._query.where)
    assert not same({"lastUpdated": "2026-01-31T12:00:00.000Z"})


def test_a_moment_that_planhat_would_cut_is_no_change_once_it_is_stored() -> None:
    licence = License.from_wire({"_id": "1", "fromDate": "2026-01-31T12:00:00.123Z"})
    licence.from_date = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert licence.changes() == {}


def test_days_of_all_years_are_days() -> None:
    for day in (date(1, 1, 1), date(4707, 11, 29), date(9999, 12, 31)):
        invoice = Invoice(due_date=day)
        assert Invoice.from_wire(invoice._payload()).due_date == day


def test_an_nps_score_is_from_0_to_10() -> None:
    for wrong in (12, -1, np.int64(11)):
        with pytest.raises(ValidationError, match="score must be from 0 to 10, not"):
            NPS(score=wrong)
    assert NPS(score=np.int64(10)).score == 10


# --- one zone -------------------------------------------------------------------------------------------


class Account(Company):
    reviewed = Custom("Reviewed", datetime)
    next_review = Custom("Next review day", date)


def test_what_has_no_zone_is_read_in_that_of_the_client() -> None:
    with Planhat("t", timezone="Europe/Stockholm"):
        one = Account(reviewed=datetime(2026, 7, 1, 9), custom={"Other": pd.Timestamp("2026-07-01T09:00")})
        assert one._payload()["custom"] == {
            "Other": "2026-07-01T07:00:00.000Z", "Reviewed": "2026-07-01T07:00:00.000Z",
        }  # fmt: skip
        text = str(Company.objects.filter(last_updated__gte="2026-07-01T09:00"))
        assert "2026-07-01T07:00:00.000Z" in text
        assert "2026-06-30T22:00:00.000Z" in str(Company.objects.filter(last_updated__gte=date(2026, 7, 1)))
        one.next_review = datetime(2026, 6, 30, 22, tzinfo=UTC)
        assert one.next_review == date(2026, 7, 1)
        with pytest.raises(ValidationError, match="midnight in Europe/Stockholm"):
            one.next_review = datetime(2026, 7, 1, tzinfo=UTC)


def test_a_record_is_of_the_zone_of_its_own_client() -> None:
    from planhat_orm.models.state import Origin

    north, west = Planhat("t", timezone="Europe/Stockholm"), Planhat("t", timezone="America/New_York")
    licences = [License.from_wire({"_id": "1"}, Origin(client)) for client in (north, west)]
    for licence in licences:
        setattr(licence, "from_date", "2026-01-31T09:00")  # noqa: B010  the type says that it is a moment
    assert [licence._payload()["fromDate"][11:16] for licence in licences] == ["08:00", "14:00"]


def test_a_zone_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("Europe/Stokholm", "../etc", 5, ""):
        with pytest.raises(ConfigurationError, match="timezone must be a name such as Europe/Stockholm"):
            Planhat("t", timezone=wrong)  # type: ignore[arg-type]
    monkeypatch.setenv("PLANHAT_TIMEZONE", "Asia/Tokyo")
    assert str(Planhat("t").zone) == "Asia/Tokyo"
    assert Planhat("t", timezone=UTC).zone is UTC


@pytest.mark.parametrize("name", ["name", "custom__Tier", "custom.Next review day"])
@pytest.mark.parametrize("op", ["in", "range"])
def test_an_array_without_dimensions_is_no_list_of_values(name: str, op: str) -> None:
    with pytest.raises(ValidationError, match=op):
        Company.objects.filter(**{f"{name}__{op}": np.array(5)})
