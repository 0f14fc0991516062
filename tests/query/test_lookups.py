"""What each lookup means, and which go with which kind of value."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from planhat_orm import FieldError, ValidationError
from planhat_orm.query import kinds
from planhat_orm.query.dates import PARTS
from planhat_orm.query.lookups import LEGAL, LOOKUPS, check_lookup, operand
from planhat_orm.query.predicate import ordered, predicate
from planhat_orm.query.tree import Part, Target
from planhat_orm.query.tree import Test as Leaf
from planhat_orm.queryset.operands import part_operand

X: dict[kinds.Kind, Target] = {kind: Target("x", ("x",), kind) for kind in LEGAL}


def matches(kind: kinds.Kind, op: str, wanted: Any, raw: Any) -> bool:
    check_lookup(kind, op, "x")
    if op in PARTS:
        return predicate(Leaf(Part(op, X[kind]), "exact", part_operand(op, "exact", wanted, "x")))({"x": raw})
    return predicate(Leaf(X[kind], op, operand(kind, op, wanted, "x")))({"x": raw})


NOON = "2026-01-31T12:00:00.000Z"


@pytest.mark.parametrize(
    ("kind", "op", "wanted", "yes", "no"),
    [
        (kinds.TEXT, "exact", "ab", ["ab"], ["AB", "a", "", None, ["ab"], True]),
        (kinds.TEXT, "exact", "5", ["5", 5], ["05", 5.0, 55]),
        (kinds.TEXT, "exact", 5, ["5", 5], ["five"]),
        (kinds.TEXT, "exact", '["a"]', ['["a"]'], [["a"]]),
        (kinds.TEXT, "iexact", "straße", ["STRASSE", "Straße", "strasse"], ["strase"]),
        (kinds.TEXT, "iexact", "ſ", ["s", "S"], ["ß"]),
        (kinds.TEXT, "in", ["a", "b"], ["a", "b"], ["c", "", None]),
        (kinds.TEXT, "in", [], [], ["a", None]),
        (kinds.TEXT, "gt", "b", ["c", "bb"], ["b", "a", "B", None]),
        (kinds.TEXT, "gte", "b", ["b", "c"], ["a"]),
        (kinds.TEXT, "lt", "b", ["a", "B", ""], ["b", "c", None]),
        (kinds.TEXT, "lte", "b", ["b", "a"], ["c"]),
        (kinds.TEXT, "range", ("b", "d"), ["b", "c", "d"], ["a", "dd"]),
        (kinds.TEXT, "range", ("d", "b"), [], ["b", "c", "d"]),
        (kinds.TEXT, "contains", "%", ["a%b", "%"], ["ab", ""]),
        (kinds.TEXT, "contains", "_", ["a_b"], ["ab"]),
        (kinds.TEXT, "contains", "a", ["bab"], ["BAB"]),
        (kinds.TEXT, "contains", "", ["", "x"], [None]),
        (kinds.TEXT, "icontains", "ß", ["MASS", "maß"], ["mas"]),
        (kinds.TEXT, "icontains", "İ", ["xi̇y", "İ"], ["i", "ı"]),
        (kinds.TEXT, "startswith", "a%", ["a%b"], ["ab", "xa%"]),
        (kinds.TEXT, "istartswith", "SS", ["ßa", "ssa"], ["s"]),
        (kinds.TEXT, "endswith", "_b", ["a_b"], ["ab", "_ba"]),
        (kinds.TEXT, "iendswith", "ß", ["ASS"], ["AS"]),
        (kinds.TEXT, "regex", "^a.b$", ["axb", "a%b"], ["xaxb", "ab"]),
        (kinds.TEXT, "iregex", "^A", ["abc"], ["bA"]),
        (kinds.TEXT, "iregex", "^i", ["Izmir", "İzmir"], ["ılgaz"]),
        (kinds.TEXT, "iregex", "^ı", ["Ilgaz", "ılgaz"], ["izmir", "İzmir"]),
        (kinds.TEXT, "isnull", True, [None], ["", 0, False, []]),
        (kinds.NUMBER, "exact", 1, [1, 1.0, "1", "1e0"], [True, "one", None]),
        (kinds.NUMBER, "gt", 1, [1.5, 2, "2"], [1, True, "x", None]),
        (kinds.NUMBER, "in", [1, 2.5], [1, 2.5, "2.5"], [True, 2]),
        (kinds.NUMBER, "range", (0, 1), [0, 1, 0.5], [-0.1, False, True]),
        (kinds.INTEGER, "lt", 0, [-1, -0.5], [0, False]),
        (kinds.BOOLEAN, "exact", True, [True], [1, "true", False, None]),
        (kinds.BOOLEAN, "exact", False, [False], [0, "", None]),
        (kinds.BOOLEAN, "in", [True, False], [True, False], [1, 0, None]),
        (kinds.DATETIME, "exact", NOON, [NOON, "2026-01-31T13:00:00+01:00", 1769860800000], ["soon", None]),
        (kinds.DATETIME, "gte", date(2026, 1, 31), [NOON, "2026-01-31"], ["2026-01-30T23:59:59.999Z"]),
        (kinds.DATETIME, "lt", datetime(2026, 1, 31, 12, 30, tzinfo=UTC), [NOON], ["2026-01-31T12:30:00.000Z"]),
        (kinds.DATETIME, "date", date(2026, 1, 31), [NOON, "2026-01-31T01:00:00+01:00"], ["2026-01-31T01:00:00+02:00"]),
        (kinds.DATETIME, "date", "2026-01-31", [NOON], ["2026-02-01T00:00:00.000Z"]),
        (kinds.DATETIME, "date", datetime(2026, 2, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), [NOON], []),
        (kinds.DATETIME, "year", 2026, [NOON], ["2025-12-31T23:59:59.999Z", "soon"]),
        (kinds.DATETIME, "month", 1, [NOON], ["2026-02-01"]),
        (kinds.DATETIME, "day", 31, [NOON], ["2026-01-30"]),
        (kinds.DATETIME, "hour", 12, [NOON], ["2026-01-31"]),
        (kinds.DATETIME, "week_day", 7, [NOON], ["2026-02-01"]),
        (kinds.DATETIME, "week_day", 1, ["2026-02-01"], [NOON]),
        (kinds.DAY, "exact", date(2026, 1, 31), [20484, "2026-01-31", 20484.0], [20485, True, "x"]),
        (kinds.DAY, "gt", "2026-01-30", [20484], [20483]),
        (kinds.DAY, "week_day", 7, [20484], [20485]),
        (kinds.DAY, "month", 1, [20484], [20485]),
        (kinds.REF, "exact", "a1", ["a1", {"_id": "a1"}, {"id": "a1"}], [{"x": "a1"}, ["a1"]]),
        (kinds.REF, "in", ["a1", "a2"], [{"_id": "a2"}], ["a3"]),
        (kinds.LIST, "contains", "a", [["a"], ["b", "a"]], [["A"], [["a"]], [], None, {"a": 1}, "a", "xay"]),
        (kinds.LIST, "contains", 1, [[1], [1.0]], [[True], ["1"], 1]),
        (kinds.LIST, "contains", True, [[True]], [[1], ["true"]]),
        (kinds.LIST, "overlap", ["a", 1], [["a"], [1, 2]], [["b"], [True], [], None, "a"]),
        (kinds.LIST, "overlap", [1, True], [[1], [True]], [[0], [False]]),
        (kinds.LIST, "overlap", [], [], [["a"], []]),
        (kinds.ANY, "exact", "a", ["a"], [["a"], "A", None]),
        (kinds.ANY, "exact", 1, [1, 1.0], ["1", True]),
        (kinds.ANY, "in", [1, True], [1, True], [0, "1", None]),
        (kinds.ANY, "gt", "a", ["b"], [1, ["b"], True]),
        (kinds.ANY, "gt", 1, [2], ["2", True]),
        (kinds.ANY, "contains", "a", ["xay", ["a"]], [["xay"], 1]),
        (kinds.OBJECT, "isnull", False, [{}, {"a": 1}, []], [None]),
    ],
)  # fmt: skip
def test_a_lookup_means(kind: kinds.Kind, op: str, wanted: Any, yes: list[Any], no: list[Any]) -> None:
    assert [raw for raw in yes if not matches(kind, op, wanted, raw)] == []
    assert [raw for raw in no if matches(kind, op, wanted, raw)] == []


def test_an_absent_value_is_a_null_one() -> None:
    assert predicate(Leaf(X[kinds.TEXT], "isnull", True))({})
    assert not predicate(Leaf(X[kinds.TEXT], "exact", "a"))({})


def test_every_lookup_is_legal_somewhere_and_illegal_ones_are_refused() -> None:
    for kind, legal in LEGAL.items():
        for op in LOOKUPS:
            if op in legal:
                check_lookup(kind, op, "x")
            else:
                with pytest.raises(FieldError, match=f"x holds .*, which takes .*, not '{op}'"):
                    check_lookup(kind, op, "x")


@pytest.mark.parametrize(
    ("wrong", "kind", "right"),
    [("icontain", kinds.TEXT, "icontains"), ("rnage", kinds.NUMBER, "range"), ("isnul", kinds.LIST, "isnull"),
     ("starts_with", kinds.TEXT, "startswith"), ("weekday", kinds.DATETIME, "week_day")],
)  # fmt: skip
def test_a_misspelt_lookup_names_the_nearest(wrong: str, kind: kinds.Kind, right: str) -> None:
    with pytest.raises(FieldError) as caught:
        check_lookup(kind, wrong, "x")
    assert str(caught.value) == f"There is no lookup {wrong!r} (in x__{wrong}). Did you mean {right!r}?"


@pytest.mark.parametrize(
    ("kind", "op", "value", "needed"),
    [
        (kinds.TEXT, "exact", None, "text"),
        (kinds.TEXT, "exact", ["a"], "text"),
        (kinds.TEXT, "gt", 1.5, "text"),
        (kinds.TEXT, "icontains", 5, "text"),
        (kinds.TEXT, "regex", "(", "a regular expression"),
        (kinds.TEXT, "in", "abc", "a list of values"),
        (kinds.TEXT, "in", 5, "a list of values"),
        (kinds.TEXT, "range", ("a",), "a pair"),
        (kinds.TEXT, "range", "ab", "a pair"),
        (kinds.TEXT, "isnull", 1, "True or False"),
        (kinds.TEXT, "isnull", "yes", "True or False"),
        (kinds.NUMBER, "exact", "5", "a number"),
        (kinds.NUMBER, "gt", True, "a number"),
        (kinds.NUMBER, "gt", float("nan"), "a number"),
        (kinds.NUMBER, "lt", float("inf"), "a number"),
        (kinds.NUMBER, "in", [1, "2"], "a number"),
        (kinds.BOOLEAN, "exact", 1, "True or False"),
        (kinds.BOOLEAN, "exact", "true", "True or False"),
        (kinds.DATETIME, "gt", datetime(2026, 1, 1), "time zone"),
        (kinds.DATETIME, "gt", "soon", "ISO text"),
        (kinds.DATETIME, "gt", 5, "ISO text"),
        (kinds.DATETIME, "date", "soon", "a date"),
        (kinds.DATETIME, "date", 5, "a date"),
        (kinds.DATETIME, "year", "2026", "a whole number"),
        (kinds.DATETIME, "hour", True, "a whole number"),
        (kinds.DAY, "exact", 20484, "a date"),
        (kinds.DAY, "exact", "soon", "a date"),
        (kinds.LIST, "contains", ["a"], "a str, a number or a bool"),
        (kinds.LIST, "contains", None, "a str, a number or a bool"),
        (kinds.ANY, "exact", {"a": 1}, "a str, a number or a bool"),
    ],
)
def test_a_wrong_operand_is_refused_with_the_name_and_without_the_value(
    kind: kinds.Kind, op: str, value: Any, needed: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        if op in PARTS:
            part_operand(op, "exact", value, "secret_field")
        else:
            operand(kind, op, value, "secret_field")
    shown = f"{op}__exact" if op in PARTS else op
    assert str(caught.value).startswith(f"secret_field__{shown} needs ")
    assert needed in str(caught.value)


# --- order ----------------------------------------------------------------------------------------------


def order(kind: kinds.Kind, raw: list[Any], descending: bool = False) -> list[Any]:
    rows = [{"_id": str(number), "x": value} for number, value in enumerate(raw)]
    return [row["x"] for row in ordered(rows, ((X[kind], descending),))]


def test_missing_values_come_last_in_both_directions() -> None:
    assert order(kinds.NUMBER, [None, 2, "x", 1, True]) == [1, 2, None, "x", True]
    assert order(kinds.NUMBER, [None, 2, "x", 1, True], descending=True) == [2, 1, None, "x", True]


def test_values_are_sorted_as_they_compare() -> None:
    assert order(kinds.NUMBER, ["10", 9, 1e1]) == [9, "10", 1e1]
    assert order(kinds.TEXT, ["b", "B", "a", 5]) == [5, "B", "a", "b"]
    assert order(kinds.BOOLEAN, [True, False, None]) == [False, True, None]
    assert order(kinds.DATETIME, [NOON, "31 Jan 2026 11:00", 0, "2026-02-01"]) == [
        "31 Jan 2026 11:00",
        NOON,
        "2026-02-01",
        0,
    ]


def test_ties_are_in_the_order_of_ids_either_way() -> None:
    rows = [{"_id": item, "x": 1} for item in "bca"]
    for descending in (False, True):
        assert [row["_id"] for row in ordered(rows, ((X[kinds.NUMBER], descending),))] == ["a", "b", "c"]


def test_the_second_field_orders_within_the_first() -> None:
    rows = [{"_id": str(n), "x": x, "y": y} for n, (x, y) in enumerate([(1, "b"), (0, "a"), (1, "c"), (1, "a")])]
    y = Target("y", ("y",), kinds.TEXT)
    found = ordered(rows, ((X[kinds.NUMBER], True), (y, False)))
    assert [(row["x"], row["y"]) for row in found] == [(1, "a"), (1, "b"), (1, "c"), (0, "a")]
