"""Break each lookup on purpose, in each reading, and see the property test die of it.

`python -m tests.query.mutants` runs all of them and says how many queries each one lived; a survivor is an
error. `test_mutants.py` runs a few, or all under `make torture`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import and_, false, func, not_, or_, true

from planhat_orm.client import evaluation, relation_filters, source, strategy
from planhat_orm.http.effects import Emit
from planhat_orm.mirror.db.json_text import json_text
from planhat_orm.mirror.reading import compiler, expressions, sqlite
from planhat_orm.mirror.reading.joins import Cell, columns_of
from planhat_orm.query import combine, dates, groups, lookups, predicate, split
from planhat_orm.query.lookups import COMPARE, LOOKUPS
from planhat_orm.query.tree import All, Node, Not, Part, Related, Target
from planhat_orm.query.tree import Any as Either
from planhat_orm.query.tree import Test as Leaf

from .generated import QUERIES_PER_TENANT, disagreements
from .mutation import Mutant, Patch
from .readings import Mirrored, by_api, by_python
from .value_mutants import VALUES

MOST = 5_040
"""Queries that a mutant may live: as many as the property test asks."""


# --- every lookup, always true and never true -----------------------------------------------------------


def blind(node: Node, op: str, answer: bool) -> Node:
    """The tree with every test of a lookup replaced by true or false."""
    match node:
        case All(children):
            return All(tuple(blind(child, op, answer) for child in children))
        case Either(children):
            return Either(tuple(blind(child, op, answer) for child in children))
        case Not(child):
            return Not(blind(child, op, answer))
    return (All() if answer else Either()) if isinstance(node, Leaf) and of(node) == op else node


def of(leaf: Leaf) -> str:
    """The lookup of a test, or the part of a date that it looks at."""
    return leaf.target.part if isinstance(leaf.target, Part) else leaf.op


def constant(reading: str, op: str, answer: bool) -> Mutant:
    def make(patch: Patch) -> None:
        if reading == "mirror":
            test = compiler.Compiler._test
            said = true() if answer else false()
            patch.setattr(
                compiler.Compiler, "_test", lambda self, t, *rest: said if of(t) == op else test(self, t, *rest)
            )
            return
        whole = predicate.predicate
        if reading == "Python":
            inner = predicate._test
            patch.setattr(predicate, "_test", lambda t, env: (lambda row: answer) if of(t) == op else inner(t, env))
        else:
            patch.setattr(source, "predicate", lambda node, env: whole(blind(node, op, answer), env))

    return Mutant(f"{op} is {'always' if answer else 'never'} true", reading, make)


CONSTANT = [
    constant(reading, op, answer)
    for reading in ("API", "Python", "mirror")
    for op in sorted(LOOKUPS)
    for answer in (True, False)
]


# --- mistakes somebody could make -----------------------------------------------------------------------


def compare(name: str, op: str, function: Callable[[Any, Any], bool]) -> Mutant:
    return Mutant(f"{op}: {name}", "Python", lambda patch: patch.setitem(COMPARE, op, function))


def both_text(function: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: isinstance(value, str) and isinstance(operand, str) and function(value, operand)


def part(name: str, mistake: str, read: Callable[[Any], Any]) -> Mutant:
    """Another idea of a part of a date."""
    whole = dates.part_of

    def part_of(value: Any, asked: str, zone: str) -> Any:
        found = whole(value, asked, zone)
        return read(found) if asked == name and found is not None else found

    return Mutant(f"{name}: {mistake}", "Python", lambda patch: patch.setattr(predicate, "part_of", part_of))


LOWER = {
    "iexact": lambda a, b: a.lower() == b.lower(),
    "icontains": lambda a, b: b.lower() in a.lower(),
    "istartswith": lambda a, b: a.lower().startswith(b.lower()),
    "iendswith": lambda a, b: a.lower().endswith(b.lower()),
}
alike, ordered_ = lookups._alike, lookups._ordered
PYTHON = [
    *(compare("lower() for casefold()", op, both_text(function)) for op, function in LOWER.items()),
    compare("true is 1", "exact", lambda a, b: bool(a == b)),
    compare("true is 1", "in", lambda a, b: a in b),
    compare("only the first", "in", lambda a, b: bool(b) and lookups.equal(a, b[0])),
    compare("or equal", "gt", ordered_(lambda a, b: a >= b)),
    compare("not equal", "gte", ordered_(lambda a, b: a > b)),
    compare("or equal", "lt", ordered_(lambda a, b: a <= b)),
    compare("not equal", "lte", ordered_(lambda a, b: a < b)),
    compare("truth has an order", "gt", lambda a, b: alike(a, b) and a > b),
    compare("truth has an order", "lte", lambda a, b: alike(a, b) and a <= b),
    compare("without the lower end", "range", lambda a, b: COMPARE["gt"](a, b[0]) and COMPARE["lte"](a, b[1])),
    compare("without the upper end", "range", lambda a, b: COMPARE["gte"](a, b[0]) and COMPARE["lt"](a, b[1])),
    compare("at the start", "contains", both_text(str.startswith)),
    compare("anywhere", "startswith", both_text(lambda a, b: b in a)),
    compare("anywhere", "endswith", both_text(lambda a, b: b in a)),
    compare("folded", "contains", both_text(lambda a, b: b.casefold() in a.casefold())),
    compare("folded", "startswith", both_text(lambda a, b: a.casefold().startswith(b.casefold()))),
    compare("folded", "endswith", both_text(lambda a, b: a.casefold().endswith(b.casefold()))),
    compare("match for search", "regex", both_text(lambda a, b: re.match(b, a) is not None)),
    compare("folded", "regex", both_text(lambda a, b: re.search(b, a, re.I) is not None)),
    compare("not folded", "iregex", both_text(lambda a, b: re.search(b, a) is not None)),
    part("week_day", "Monday is 1", lambda day: (day + 5) % 7 + 1),
    part("month", "counts from 0", lambda month: month - 1),
    part("year", "two digits", lambda year: year % 100),
    part("hour", "counts from 1", lambda hour: hour + 1),
    part("day", "counts from 0", lambda day: day - 1),
    part("quarter", "counts from 0", lambda quarter: quarter - 1),
    part("week", "counts from 0", lambda week: week - 1),
    part("date", "the month only", lambda day: day // 30),
]  # fmt: skip


def absent_only(patch: Patch) -> None:
    inner = predicate._test

    def test(leaf: Leaf, environment: Any) -> predicate.Predicate:
        target = leaf.target
        if leaf.op != "isnull" or not isinstance(target, Target):
            return inner(leaf, environment)
        return lambda row: (target.keys[0] not in row) is leaf.value

    patch.setattr(predicate, "_test", test)


def list_equality(patch: Patch) -> None:
    patch.setattr(predicate, "equal", lambda a, b: a == b)


def text_is_a_list(patch: Patch) -> None:
    inner = predicate._scalars
    patch.setattr(predicate, "_scalars", lambda raw: inner([raw] if isinstance(raw, str) else raw))


def overlap_of_all(patch: Patch) -> None:
    inner = predicate._raw_test

    def test(target: Any, op: str, operand: Any) -> Any:
        if op != "overlap":
            return inner(target, op, operand)
        parts = [inner(target, op, (item,)) for item in operand]
        return lambda row: bool(parts) and all(part(row) for part in parts if part is not None)

    patch.setattr(predicate, "_raw_test", test)


def sorting(change: Callable[[Callable[..., list[Any]]], Callable[..., list[Any]]]) -> Callable[[Patch], None]:
    """Another idea of the order of records and groups."""

    def make(patch: Patch) -> None:
        changed = change(predicate.ordered)
        patch.setattr(evaluation, "ordered", changed)
        patch.setattr(groups, "ordered", changed)

    return make


def missing_first(inner: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def ordered(rows: Any, order: Any, environment: Any) -> list[Any]:
        found = inner(rows, order, environment)
        for expr, _ in reversed(order):
            read = predicate.value(expr, environment)
            found.sort(key=lambda row: read(row) is not None)
        return found

    return ordered


def one_order(inner: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    return lambda rows, order, environment: inner(rows, order[:1], environment)


def ties_reversed(inner: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def ordered(rows: Any, order: Any, environment: Any) -> list[Any]:
        if not order or not order[0][1]:
            return inner(rows, order, environment)
        return inner(rows, ((order[0][0], False),), environment)[::-1]

    return ordered


def three_valued(patch: Patch) -> None:
    """NOT of a comparison with nothing is false, as in SQL."""
    whole = predicate.predicate

    def negated(node: Node, environment: Any = predicate.ALONE) -> predicate.Predicate:
        if isinstance(node, Not) and isinstance(node.child, Leaf) and node.child.op != "isnull":
            read, test = predicate.value(node.child.target, environment), whole(node.child, environment)
            return lambda row: read(row) is not None and not test(row)
        return whole(node, environment)

    patch.setattr(predicate, "predicate", negated)


def rows_split(patch: Patch) -> None:
    """Each condition over a relation speaks of a record of its own."""
    patch.setattr(combine, "_merged", lambda parts, join: parts)


def not_is_merged(patch: Patch) -> None:
    """What is under NOT speaks of the same record as what stands beside it."""
    inner = combine._merged

    def merged(parts: list[Node], join: Any) -> list[Node]:
        inside = [
            Related(part.child.name, part.child.hop, Not(part.child.where))
            if isinstance(part, Not) and isinstance(part.child, Related)
            else part
            for part in parts
        ]
        return inner(inside if len(parts) > 1 else parts, join)

    patch.setattr(combine, "_merged", merged)


def alternatives_apart(patch: Patch) -> None:
    """Conditions under OR speak of a record of their own."""
    patch.setattr(combine, "_to_spread", lambda parts: None)


PYTHON += [
    Mutant("conditions of one call speak of several records", "Python", rows_split),
    Mutant("what is under NOT is merged with what stands beside it", "Python", not_is_merged),
    Mutant("what is under OR speaks of another record", "Python", alternatives_apart),
    Mutant("isnull: absent only, not null", "Python", absent_only),
    Mutant("contains: true is 1 in a list", "Python", list_equality),
    Mutant("contains: a text is a list of one", "Python", text_is_a_list),
    Mutant("overlap: of all values", "Python", overlap_of_all),
    Mutant("order: missing values first", "Python", sorting(missing_first)),
    Mutant("order: by the first field only", "Python", sorting(one_order)),
    Mutant("order: ties reversed", "Python", sorting(ties_reversed)),
    Mutant("not: three-valued", "Python", three_valued),
]


# --- the API's reading ----------------------------------------------------------------------------------


def served(name: str, change: Callable[[Leaf], tuple[str, ...] | None]) -> Mutant:
    """Another idea of which values a condition makes the server filter by."""

    def make(patch: Patch) -> None:
        inner = split._values

        def values(leaf: Leaf) -> tuple[str, ...] | None:
            changed = change(leaf)
            return inner(leaf) if changed is None else changed

        patch.setattr(split, "_values", values)

    return Mutant(name, "API", make)


def under_or(patch: Patch) -> None:
    inner = strategy.split  # type: ignore[attr-defined]
    patch.setattr(strategy, "split", lambda where, known: inner(_flat(where, Either), known))


def under_not(patch: Patch) -> None:
    inner = strategy.split  # type: ignore[attr-defined]
    patch.setattr(
        strategy, "split", lambda where, known: inner(where.child if isinstance(where, Not) else where, known)
    )


def _flat(where: Node, kind: type) -> Node:
    return All(where.children) if isinstance(where, kind) else where  # type: ignore[union-attr]


def ids_cut(patch: Patch) -> None:
    inner = split.ids_in
    patch.setattr(split, "ids_in", lambda where: (ids := inner(where)) and ids[: max(1, len(ids) - 1)])


def ids_under_or(patch: Patch) -> None:
    inner = split.ids_in
    patch.setattr(split, "ids_in", lambda where: inner(_flat(where, Either)))


def no_recheck(patch: Patch) -> None:
    """Trust what the server did with `companyId=a,b` on a resource that takes one value."""
    whole = predicate.predicate
    patch.setattr(source, "predicate", lambda node, env: whole(blind(node, "in", True), env))


def hop_shows_lists(patch: Patch) -> None:
    inner = relation_filters.Query  # type: ignore[attr-defined]

    def query(resource: str, **facts: Any) -> Any:
        return inner(resource, **{**facts, "hidden": False})

    patch.setattr(relation_filters, "Query", query)


def hop_takes_one(patch: Patch) -> None:
    inner = relation_filters.collected  # type: ignore[attr-defined]

    def collected(flow: Any) -> Any:
        rows = yield from inner(flow)
        return rows[:1]

    patch.setattr(relation_filters, "collected", collected)


def select_too_little(patch: Patch) -> None:
    patch.setattr(strategy, "wires_in", lambda where: set())


def hidden_shown(patch: Patch) -> None:
    patch.setattr(source.ApiSource, "_test", lambda self, way, query: predicate.predicate(way.test))


def tasks_of_one_list(patch: Patch) -> None:
    inner = source.ApiSource._rows

    def rows(self: Any, way: Any, query: Any, wanted: Any) -> Any:
        return inner(self, way, query.changed(hidden=False), wanted)

    patch.setattr(source.ApiSource, "_rows", rows)


def wanted_too_few(patch: Patch) -> None:
    patch.setattr(strategy.Strategy, "whole", property(lambda self: True))


def lists_in_their_order(patch: Patch) -> None:
    patch.setattr(source, "sorted", lambda found: list(found)[::-1], raising=False)


def repeats(patch: Patch) -> None:
    inner = source.ApiSource._list

    def twice(self: Any, *args: Any) -> Iterator[Any]:
        yield from inner(self, *args)
        yield Emit([{"_id": "c" + "0" * 23}])

    patch.setattr(source.ApiSource, "_list", twice)


def start_forgotten(patch: Patch) -> None:
    inner = source.ApiSource._stream

    def stream(self: Any, way: Any, query: Any, test: Any) -> Any:
        return inner(self, way, query.changed(start=0), test)

    patch.setattr(source.ApiSource, "_stream", stream)


API = [
    served("in: the last value is not asked for", lambda leaf: leaf.value[:-1] if leaf.op == "in" and len(leaf.value) > 1 and all(isinstance(element, str) for element in leaf.value) else None),
    served("exact: in small letters", lambda leaf: (leaf.value.lower(),) if leaf.op == "exact" and isinstance(leaf.value, str) and leaf.value.lower() != leaf.value else None),
    served("iexact is exact", lambda leaf: (leaf.value,) if leaf.op == "iexact" and leaf.value else None),
    served("startswith is exact", lambda leaf: (leaf.value,) if leaf.op == "startswith" and leaf.value else None),
    served("contains of text is exact", lambda leaf: (leaf.value,) if leaf.op == "contains" and isinstance(leaf.value, str) and leaf.value else None),
    served("gte is exact", lambda leaf: (leaf.value,) if leaf.op == "gte" and isinstance(leaf.value, str) else None),
    served("isnull is nothing", lambda leaf: () if leaf.op == "isnull" and leaf.value else None),
    served("overlap: of the first", lambda leaf: leaf.value[:1] if leaf.op == "overlap" and leaf.value and isinstance(leaf.value[0], str) else None),
    served("range: of its lower end", lambda leaf: leaf.value[:1] if leaf.op == "range" and isinstance(leaf.value[0], str) else None),
    Mutant("a condition under OR is asked of the server", "API", under_or),
    Mutant("a condition under NOT is asked of the server", "API", under_not),
    Mutant("one id too few is fetched", "API", ids_cut),
    Mutant("ids under OR are all that is fetched", "API", ids_under_or),
    Mutant("in: the server is trusted", "API", no_recheck),
    Mutant("relations see only what lists show", "API", hop_shows_lists),
    Mutant("relations take the first record only", "API", hop_takes_one),
    Mutant("conditions on fields that were not selected", "API", select_too_little),
    Mutant("hidden records are not left out", "API", hidden_shown),
    Mutant("hidden records do not come", "API", tasks_of_one_list),
    Mutant("a limit is asked for though rows are filtered here", "API", wanted_too_few),
    Mutant("the rows of several lists are not sorted", "API", lists_in_their_order),
    Mutant("a record comes twice", "API", repeats),
    Mutant("a slice starts at 0", "API", start_forgotten),
]  # fmt: skip


# --- the mirror's reading -------------------------------------------------------------------------------


def words(name: str, method: str, replacement: Callable[..., Any]) -> Mutant:
    return Mutant(name, "mirror", lambda patch: patch.setattr(sqlite.SqliteDialect, method, replacement))


def reader(name: str, method: str, replacement: Callable[..., Any]) -> Mutant:
    return Mutant(name, "mirror", lambda patch: patch.setattr(compiler.Compiler, method, replacement))


def direct(name: str, op: str, write: Callable[[Any, Any, Any], Any]) -> Mutant:
    """A lookup on a column, written another way."""

    def make(patch: Patch) -> None:
        inner = expressions.direct

        def other(self: Any, source: Any, value: Any, kind: Any, wanted: str, operand: Any) -> Any:
            if wanted == op and op in lookups.LEGAL[kind]:
                return write(self, value, operand)
            return inner(self, source, value, kind, wanted, operand)

        patch.setattr(expressions, "direct", other)

    return Mutant(f"{op}: {name}", "mirror", make)


def quick(name: str, method: str, change: Callable[..., Any]) -> Mutant:
    return words(name, method, change)


def no_coalesce(self: Any, node: Node, joins: Any) -> Any:
    if isinstance(node, Not):
        return not_(self.where(node.child, joins))
    return where(self, node, joins)


where = compiler.Compiler.where


def loose_text(self: Any, cell: Any, kind: Any, op: str, operand: str) -> Any:
    return self._scalar(cell).op(sqlite._OPERATORS[op], is_comparison=True)(operand)


def loose_number(self: Any, cell: Any, kind: Any, op: str, operand: float) -> Any:
    return self._scalar(cell).op(sqlite._OPERATORS[op], is_comparison=True)(operand)


def loose_boolean(self: Any, cell: Any, operand: bool) -> Any:
    return self._scalar(cell) == int(operand)


def short_text(self: Any, cell: Any, kind: Any, op: str, operand: str) -> Any:
    """Whole numbers in a text field are forgotten."""
    return and_(self._scalar(cell).op(sqlite._OPERATORS[op], is_comparison=True)(operand), self._type(cell) == "text")


def short_number(self: Any, cell: Any, kind: Any, op: str, operand: float) -> Any:
    """Numbers spelt as text are forgotten."""
    value = self._scalar(cell).op(sqlite._OPERATORS[op], is_comparison=True)(operand)
    return and_(value, self._type(cell).in_(("integer", "real")))


def asks(name: str, change: Callable[[str], str]) -> Mutant:
    """What Python is asked about a column, under another name."""
    inner = sqlite.SqliteDialect.lookup
    return words(name, "lookup", lambda self, table, value, op, operand: inner(self, table, value, change(op), operand))


def order_of(nulls_first: bool = False, ties: bool = True, first_only: bool = False) -> Callable[..., Any]:
    def order(self: Any, query: Any, joins: Any) -> list[Any]:
        terms: list[Any] = []
        for expr, descending in query.order[: 1 if first_only else None]:
            columns = columns_of(self.value(expr, joins))
            if not nulls_first:
                terms.append(columns[0].is_(None))
            terms += [column.desc() if descending else column.asc() for column in columns]
        return [*terms, joins.table.c.id.asc() if ties else joins.table.c.id.desc()]

    return order


def hops_hide(patch: Patch) -> None:
    inner = compiler.Compiler.belongs
    patch.setattr(
        compiler.Compiler, "belongs", lambda self, table, layout, hidden: inner(self, table, layout, hidden=False)
    )


def no_resource(patch: Patch) -> None:
    patch.setattr(compiler.Compiler, "belongs", lambda self, table, layout, hidden: true())


def column_only(self: Any, target: Any, joins: Any) -> Any:
    found = self.place(target, joins)
    return self.dialect.missing(found) if isinstance(found, Cell) else found.is_(None)


def other_part(name: str, other: str) -> Mutant:
    """A part of a date is taken for another."""
    inner = sqlite.SqliteDialect.part

    def part(self: Any, source: Any, kind: Any, value: Any, asked: str, zone: str) -> Any:
        fits = not (asked == name and other == "hour" and kind.name == "day")
        return inner(self, source, kind, value, other if asked == name and fits else asked, zone)

    return words(f"{name}: {other}", "part", part)


MIRROR = [
    words("contains: LIKE", "contains", lambda self, value, operand: value.contains(operand)),
    words("contains: LIKE, escaped", "contains", lambda self, value, operand: value.contains(operand, autoescape=True)),
    words("startswith: LIKE", "starts", lambda self, value, operand: value.startswith(operand)),
    words("startswith: LIKE, escaped", "starts", lambda self, value, operand: value.startswith(operand, autoescape=True)),
    words("endswith: LIKE", "ends", lambda self, value, operand: value.endswith(operand)),
    words("endswith: LIKE, escaped", "ends", lambda self, value, operand: value.endswith(operand, autoescape=True)),
    words("endswith: nothing ends with nothing", "ends", lambda self, value, operand: func.substr(value, -len(operand)) == operand),
    words("in: the first only", "among", lambda self, value, operands: value == operands[0]),
    words("isnull: absent only", "missing", lambda self, cell: self._type(cell).is_(None)),
    words("isnull: a JSON null is a value", "missing", lambda self, cell: func.coalesce(self._type(cell), "absent") == "absent"),
    words("exact: text without its type", "_text", loose_text),
    words("exact: text without whole numbers", "_text", short_text),
    words("gt: numbers without their type", "_number", loose_number),
    words("gt: numbers without those in text", "_number", short_number),
    words("exact: true without its type", "_boolean", loose_boolean),
    words("contains: the JSON text", "_ask", lambda self, cell, op, operand: func.instr(self._json(cell), json_text(operand)) > 0 if op == "contains" else matches_ask(self, cell, op, operand)),  # type: ignore[has-type]
    direct("not equal", "gte", lambda self, value, operand: value > operand),
    direct("or equal", "gt", lambda self, value, operand: value >= operand),
    direct("not equal", "lte", lambda self, value, operand: value < operand),
    direct("or equal", "lt", lambda self, value, operand: value <= operand),
    direct("without its ends", "range", lambda self, value, operand: and_(value > operand[0], value < operand[1])),
    direct("ends in either order", "range", lambda self, value, operand: or_(value.between(*operand), value.between(*operand[::-1]))),
    direct("lower()", "iexact", lambda self, value, operand: func.lower(value) == func.lower(operand)),
    direct("lower()", "icontains", lambda self, value, operand: func.instr(func.lower(value), operand.lower()) > 0),
    direct("lower()", "istartswith", lambda self, value, operand: func.substr(func.lower(value), 1, len(operand)) == operand.lower()),
    direct("lower()", "iendswith", lambda self, value, operand: func.substr(func.lower(value), -len(operand)) == operand.lower() if operand else value.is_not(None)),
    direct("nothing is in a list with nothing", "in", lambda self, value, operand: value.in_(operand[1:])),
    asks("regex: folded", lambda op: {"regex": "iregex"}.get(op, op)),
    asks("iregex: not folded", lambda op: {"iregex": "regex"}.get(op, op)),
    other_part("month", "day"),
    other_part("week_day", "day"),
    other_part("year", "month"),
    other_part("hour", "day"),
    other_part("day", "hour"),
    other_part("quarter", "month"),
    other_part("week", "month"),
    reader("not: three-valued", "where", no_coalesce),
    reader("isnull: what is kept in extra is missing", "_missing", column_only),
    reader("order: missing values first", "order", order_of(nulls_first=True)),
    reader("order: ties the other way", "order", order_of(ties=False)),
    reader("order: by the first field only", "order", order_of(first_only=True)),
    Mutant("relations see only what lists show", "mirror", hops_hide),
    Mutant("hidden records and other types show", "mirror", no_resource),
    Mutant("slices are ignored", "mirror", lambda patch: patch.setattr(compiler, "sliced", lambda statement, query: statement)),
    Mutant("two values never compare", "mirror", lambda patch: patch.setattr(expressions, "compared", lambda *sides: false())),
    Mutant("two values compare the other way", "mirror", lambda patch: patch.setattr(expressions, "compared", turned)),
]  # fmt: skip
matches_ask = sqlite.SqliteDialect._ask
compared = expressions.compared


def turned(op: str, left: Any, left_kind: Any, right: Any, right_kind: Any) -> Any:
    return compared(op, right, right_kind, left, left_kind)


MUTANTS = [*CONSTANT, *PYTHON, *API, *MIRROR, *VALUES]


def lived(mutant: Mutant, mirrored: Mirrored, most: int = MOST) -> int | None:
    """How many queries a mutant lived, at most; None when it survived them all."""
    readings: dict[str, Any] = {"API": {"API": by_api}, "Python": {"Python": by_python}, "mirror": {"mirror": mirrored}}
    with pytest.MonkeyPatch.context() as patch:
        mutant.make(patch)
        found = next(disagreements(range(most // QUERIES_PER_TENANT), readings[mutant.reading]), None)
    assert found is None or not str(found.found).startswith(_BROKEN), f"{mutant} is no mistake: {found.found}"
    return None if found is None else (found.seed + 1) * QUERIES_PER_TENANT


_BROKEN = ("TypeError", "AttributeError", "NameError", "KeyError", "ImportError", "UnboundLocalError")
"""What a mutant raises that no longer fits the code: it dies at once, and shows nothing."""


def main() -> int:
    """Run all mutants, or those whose name holds the argument."""
    chosen = [mutant for mutant in MUTANTS if len(sys.argv) < 2 or sys.argv[1] in str(mutant)]
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        mirrored = Mirrored(Path(folder) / "mirror.db")
        for mutant in chosen:
            queries = lived(mutant, mirrored)
            survivors += queries is None
            print(f"{'SURVIVED' if queries is None else f'died within {queries}':>18}  {mutant}", flush=True)
        mirrored.close()
    print(f"{len(chosen)} mutants, {survivors} survivors")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
