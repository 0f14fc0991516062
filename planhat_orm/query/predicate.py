"""The Python reading of a tree: conditions and values as functions of a wire record, and the order of records."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any as Anything

from msgspec import Struct

from .dates import days_between, days_later, part_of, truncated
from .kinds import ANY, DATETIME, DAY, LISTS
from .lookups import COMPARE, equal, member_of
from .raw_values import Row, raw_at
from .tally import order_key, tallied
from .tree import (
    All,
    Any,
    Arithmetic,
    Case,
    Coalesce,
    Constant,
    Expr,
    Figure,
    Hop,
    InQuery,
    Item,
    Node,
    Not,
    Part,
    Related,
    Target,
    Test,
    Trunc,
)

Predicate = Callable[[Row], bool]
Reader = Callable[[Row], Anything]
Follow = Callable[[Hop, bool], Callable[[Row], list[Row]]]


def _alone(hop: Hop, hidden: bool) -> Callable[[Row], list[Row]]:
    raise AssertionError(f"The records of {hop.resource} were not read.")


class Environment(Struct, frozen=True):
    """What a tree is read with: the time zone, how relations are followed, and values that are worked out already."""

    zone: str = "UTC"
    follow: Follow = _alone
    known: Mapping[Expr, Reader] = {}


ALONE = Environment()
"""For trees that look at the record itself only."""


# --- conditions -----------------------------------------------------------------------------------------


def predicate(node: Node, environment: Environment = ALONE) -> Predicate:
    """Compile a condition."""
    match node:
        case All(children):
            parts = [predicate(child, environment) for child in children]
            return lambda row: all(part(row) for part in parts)
        case Any(children):
            parts = [predicate(child, environment) for child in children]
            return lambda row: any(part(row) for part in parts)
        case Not(child):
            part = predicate(child, environment)
            return lambda row: not part(row)
        case Related(_, hop, where, hidden):
            there, far = environment.follow(hop, hidden), predicate(where, _far(environment))
            return lambda row: any(far(other) for other in there(row))
        case InQuery(target):
            raise AssertionError(f"The query that {target.name} is looked up in was not asked.")
        case Test():
            return _test(node, environment)


def _far(environment: Environment) -> Environment:
    """The environment of records over there: what is known of this one does not hold for them."""
    return Environment(environment.zone, environment.follow) if environment.known else environment


def _test(test: Test, environment: Environment) -> Predicate:
    target, op, operand = test.target, test.op, test.value
    if isinstance(target, Target) and not target.hops and target not in environment.known:
        raw = _raw_test(target, op, operand)
        if raw is not None:
            return raw
    read = value(target, environment)
    if op == "isnull":
        return lambda row: (read(row) is None) is operand
    compare = COMPARE[op]
    if isinstance(operand, Expr):
        other = value(operand, environment)

        def compares_values(row: Row) -> bool:
            left, right = read(row), other(row)
            return left is not None and right is not None and compare(left, right)

        return compares_values

    if op == "in":
        chosen = member_of(operand)
        return lambda row: (found := read(row)) is not None and chosen(found)

    def compares(row: Row) -> bool:
        found = read(row)
        return found is not None and compare(found, operand)

    return compares


def _raw_test(target: Target, op: str, operand: Anything) -> Predicate | None:
    """The lookups that look at what the record holds rather than at what it compares by; None for the others."""
    raw, load = raw_at(target.keys), target.kind.load
    if op == "isnull":
        return lambda row: (raw(row) is None) is operand
    if op == "overlap":
        chosen = member_of(operand)
        return lambda row: any(map(chosen, _scalars(load(raw(row)))))
    if op == "contains" and target.kind in LISTS:
        return lambda row: _has(load(raw(row)), operand)
    if op == "contains" and target.kind is ANY:
        return lambda row: _contains(raw(row), operand)
    return None


def _contains(raw: Anything, operand: Anything) -> bool:
    """What an undeclared custom field contains: an element of a list, or a piece of a text."""
    if isinstance(raw, str):
        return isinstance(operand, str) and operand in raw
    return _has(raw, operand)


def _has(raw: Anything, operand: Anything) -> bool:
    return any(equal(entry, operand) for entry in _scalars(raw))


def _scalars(raw: Anything) -> list[Anything]:
    return [entry for entry in raw if isinstance(entry, (str, int, float))] if isinstance(raw, list) else []


# --- values ---------------------------------------------------------------------------------------------


def value(expr: Expr, environment: Environment = ALONE) -> Reader:
    """Compile a value."""
    known = environment.known.get(expr)
    if known is not None:
        return known
    match expr:
        case Target():
            return _field(expr, environment)
        case Constant(constant):
            return lambda row: constant
        case Arithmetic():
            return _arithmetic(expr, environment)
        case Part(part, of):
            read, zone = value(of, environment), environment.zone
            return lambda row: None if (found := read(row)) is None else part_of(found, part, zone)
        case Trunc(unit, of):
            read, zone = value(of, environment), environment.zone
            return lambda row: None if (found := read(row)) is None else truncated(found, unit, zone)
        case Coalesce(values):
            readers = [value(item, environment) for item in values]
            return lambda row: next((found for read in readers if (found := read(row)) is not None), None)
        case Case():
            return _case(expr, environment)
        case Figure():
            return _figure(expr, environment)
        case Item(of):
            raise AssertionError(f"The elements of {of.name} are groups, not values.")


def _field(target: Target, environment: Environment) -> Reader:
    raw, comparable = raw_at(target.keys), target.kind.comparable
    if not target.hops:
        return lambda row: comparable(raw(row))
    follow = records_over(target.hops, environment)

    def over(row: Row) -> Anything:
        found = follow(row)
        return comparable(raw(found[0])) if found else None

    return over


def records_over(
    hops: tuple[Hop, ...],
    environment: Environment,
    where: tuple[Node, ...] = (),
    hidden: tuple[bool, ...] = (),
) -> Callable[[Row], list[Row]]:
    """The records that hops lead to from a record, each once; those that satisfy `where`, level by level."""
    steps = []
    for level, hop in enumerate(hops):
        there = environment.follow(hop, hidden[level] if hidden else True)
        chosen = predicate(where[level + 1], _far(environment)) if where else None
        steps.append((there, chosen))

    def follow(row: Row) -> list[Row]:
        rows = [row]
        for there, chosen in steps:
            found: dict[Anything, Row] = {}
            for near in rows:
                for far in there(near):
                    if chosen is None or chosen(far):
                        found.setdefault(far["_id"], far)
            rows = list(found.values())
        return rows

    return follow


_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _arithmetic(expr: Arithmetic, environment: Environment) -> Reader:
    left, right = value(expr.left, environment), value(expr.right, environment)
    calculate = _on_dates(expr) if expr.left.kind in (DATETIME, DAY) else _on_numbers(expr.op)

    def calculated(row: Row) -> Anything:
        first, second = left(row), right(row)
        return None if first is None or second is None else calculate(first, second)

    return calculated


def _on_numbers(op: str) -> Callable[[Anything, Anything], float | None]:
    apply = _OPERATORS[op]

    def calculate(left: Anything, right: Anything) -> float | None:
        if not _is_number(left) or not _is_number(right):
            return None
        try:
            found = apply(float(left), float(right))
        except (ZeroDivisionError, OverflowError):
            return None
        return found if isfinite(found) else None

    return calculate


def _is_number(item: Anything) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, bool)


def _on_dates(expr: Arithmetic) -> Callable[[Anything, Anything], Anything]:
    if expr.right.kind in (DATETIME, DAY):
        return days_between
    sign = 1 if expr.op == "+" else -1
    return lambda moment, days: days_later(moment, sign * days) if _is_number(days) else None


def _case(expr: Case, environment: Environment) -> Reader:
    branches = [(predicate(where, environment), value(then, environment)) for where, then in expr.branches]
    default = None if expr.default is None else value(expr.default, environment)

    def choose(row: Row) -> Anything:
        for holds, read in branches:
            if holds(row):
                return read(row)
        return None if default is None else default(row)

    return choose


def _figure(figure: Figure, environment: Environment) -> Reader:
    if not figure.hops:
        raise AssertionError(f"{figure.name} is a figure of a group, not of a record.")
    holds = predicate(figure.where[0], environment)
    follow = records_over(figure.hops, environment, figure.where, figure.hidden)
    read = figure_value(figure, _far(environment))
    return lambda row: tallied(figure, follow(row) if holds(row) else (), read)


def figure_value(figure: Figure, environment: Environment) -> Reader:
    """What a figure adds up of one record: a value or, for a count, whether there is anything."""
    counted = figure.value
    if counted is None:
        return lambda row: True
    if figure.function != "count" or figure.distinct or not isinstance(counted, Target) or counted.hops:
        return value(counted, environment)
    raw = raw_at(counted.keys)
    return lambda row: None if raw(row) is None else True


def items(item: Item) -> Callable[[Row], list[Anything]]:
    """The elements of a list in a record, each once; of none, None."""
    raw, load, only_text = raw_at(item.of.keys), item.of.kind.load, item.kind is not ANY

    def read(row: Row) -> list[Anything]:
        found: dict[Anything, Anything] = {}
        for entry in _scalars(load(raw(row))):
            comparable = ANY.comparable(entry)
            if comparable is not None and (isinstance(comparable, str) or not only_text):
                found.setdefault(order_key(comparable), comparable)
        return list(found.values()) or [None]

    return read


# --- order ----------------------------------------------------------------------------------------------


def ordered(rows: Iterable[Row], order: tuple[tuple[Expr, bool], ...], environment: Environment = ALONE) -> list[Row]:
    """Sort by `(value, descending)` pairs, missing values last in both directions, ties by `_id`."""
    result = sorted(rows, key=lambda row: str(row.get("_id", "")))
    for expr, descending in reversed(order):
        read, mixed = value(expr, environment), expr.kind is ANY
        pairs = [(read(row), row) for row in result]
        present = [pair for pair in pairs if pair[0] is not None]
        present.sort(key=(lambda pair: order_key(pair[0])) if mixed else (lambda pair: pair[0]), reverse=descending)
        result = [row for _, row in present] + [row for found, row in pairs if found is None]
    return result


def first_of_each(rows: Iterable[Row], distinct: tuple[Expr, ...], environment: Environment = ALONE) -> list[Row]:
    """The first record of those with equal values."""
    readers = [value(expr, environment) for expr in distinct]
    seen: dict[tuple[Anything, ...], Row] = {}
    for row in rows:
        seen.setdefault(tuple(_distinct_key(read(row)) for read in readers), row)
    return list(seen.values())


def _distinct_key(found: Anything) -> Anything:
    return None if found is None else order_key(found)
