"""The Python reading of a tree: a function from a wire record to true or false, and the order of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any as Anything

from .kinds import ANY, LISTS
from .lookups import COMPARE, equal
from .tree import All, Any, Node, Not, Related, Target, Test

Row = Mapping[str, Anything]
Predicate = Callable[[Row], bool]


def fetch(row: Row, keys: tuple[str, ...]) -> Anything:
    """The raw value at `keys` of a wire record; None where any step is missing."""
    value: Anything = row
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def predicate(node: Node) -> Predicate:
    """Compile a tree without relations (see `client.relation_filters` for how those are resolved first)."""
    match node:
        case All(children):
            parts = [predicate(child) for child in children]
            return lambda row: all(part(row) for part in parts)
        case Any(children):
            parts = [predicate(child) for child in children]
            return lambda row: any(part(row) for part in parts)
        case Not(child):
            part = predicate(child)
            return lambda row: not part(row)
        case Related(name):
            raise AssertionError(f"{name} is a relation that was not resolved")
        case Test():
            return _test(node)


def _test(test: Test) -> Predicate:
    target, op, operand = test.target, test.op, test.value
    keys, load, comparable = target.keys, target.kind.load, target.kind.comparable
    if op == "isnull":
        return lambda row: (fetch(row, keys) is None) is operand
    if op == "overlap":
        return lambda row: _overlap(load(fetch(row, keys)), operand)
    if op == "contains" and target.kind in LISTS:
        return lambda row: _overlap(load(fetch(row, keys)), (operand,))
    if op == "contains" and target.kind is ANY:
        return lambda row: _contains(fetch(row, keys), operand)
    compare = COMPARE[op]
    if isinstance(operand, Target):
        other = operand

        def compares_fields(row: Row) -> bool:
            left, right = comparable(fetch(row, keys)), other.kind.comparable(fetch(row, other.keys))
            return left is not None and right is not None and compare(left, right)

        return compares_fields

    if op == "in" and all(isinstance(element, str) for element in operand):
        chosen = frozenset(operand)
        return lambda row: comparable(fetch(row, keys)) in chosen

    def compares(row: Row) -> bool:
        value = comparable(fetch(row, keys))
        return value is not None and compare(value, operand)

    return compares


def _contains(raw: Anything, operand: Anything) -> bool:
    """What an undeclared custom field contains: an element of a list, or a piece of a text."""
    if isinstance(raw, str):
        return isinstance(operand, str) and operand in raw
    return _overlap(raw, (operand,))


def _overlap(raw: Anything, operands: tuple[Anything, ...]) -> bool:
    if not isinstance(raw, list):
        return False
    held = [value for value in raw if isinstance(value, (str, int, float))]
    return any(equal(entry, operand) for entry in held for operand in operands)


def ordered(rows: Iterable[Row], order: tuple[tuple[Target, bool], ...]) -> list[Row]:
    """Sort by `(target, descending)` pairs, missing values last in both directions, ties by `_id`."""
    result = sorted(rows, key=lambda row: str(row.get("_id", "")))
    for target, descending in reversed(order):
        comparable, keys = target.kind.comparable, target.keys
        pairs = [(comparable(fetch(row, keys)), row) for row in result]
        present = [pair for pair in pairs if pair[0] is not None]
        present.sort(key=lambda pair: pair[0], reverse=descending)
        result = [row for _, row in present] + [row for value, row in pairs if value is None]
    return result
