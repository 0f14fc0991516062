"""Break each lookup on purpose, in each reading, and see the property test die of it.

`python -m tests.query.mutants` runs all of them and says how many queries each one lived; a survivor is an
error. `test_mutants.py` runs a few, or all under `make torture`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import and_, false, func, not_, or_, true

from planhat_orm.client import relation_filters, source
from planhat_orm.http.effects import Emit
from planhat_orm.mirror.db.json_text import json_text
from planhat_orm.mirror.reading import compiler, sqlite
from planhat_orm.query import combine, lookups, predicate, split
from planhat_orm.query.lookups import COMPARE, LOOKUPS
from planhat_orm.query.tree import All, Node, Not, Related
from planhat_orm.query.tree import Any as Either
from planhat_orm.query.tree import Test as Leaf

from . import generated
from .generated import QUERIES_PER_TENANT, Mirrored, by_api, by_python, disagreements

Patch = pytest.MonkeyPatch
MOST = 5_040
"""Queries that a mutant may live: as many as the property test asks."""


@dataclass(frozen=True)
class Mutant:
    """One mistake: in which reading, and how to make it."""

    name: str
    reading: str
    make: Callable[[Patch], None]

    def __str__(self) -> str:
        return f"{self.reading}: {self.name}"


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
    return (All() if answer else Either()) if node.op == op else node


def constant(reading: str, op: str, answer: bool) -> Mutant:
    def make(patch: Patch) -> None:
        if reading == "mirror":
            test = compiler.Compiler._test
            said = true() if answer else false()
            patch.setattr(
                compiler.Compiler, "_test", lambda self, t, *rest: said if t.op == op else test(self, t, *rest)
            )
            return
        whole = predicate.predicate
        home = source if reading == "API" else generated.predicate
        if reading == "Python":
            inner = predicate._test
            patch.setattr(predicate, "_test", lambda t: (lambda row: answer) if t.op == op else inner(t))
        else:
            patch.setattr(home, "predicate", lambda node: whole(blind(node, op, answer)))

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


def part(name: str, read: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    whole = lookups._part
    return lambda value, operand: read(whole(value, "date") if name == "date" else whole(value, name)) == operand


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
    compare("Monday is 1", "week_day", part("week_day", lambda day: (day + 5) % 7 + 1)),
    compare("counts from 0", "month", part("month", lambda month: month - 1)),
    compare("two digits", "year", part("year", lambda year: year % 100)),
    compare("counts from 1", "hour", part("hour", lambda hour: hour + 1)),
    compare("counts from 0", "day", part("day", lambda day: day - 1)),
    compare("the month only", "date", lambda a, b: lookups._part(a, "date")[:7] == b[:7]),
]  # fmt: skip


def absent_only(patch: Patch) -> None:
    inner = predicate._test

    def test(leaf: Leaf) -> predicate.Predicate:
        if leaf.op != "isnull":
            return inner(leaf)
        return lambda row: (leaf.target.keys[0] not in row) is leaf.value

    patch.setattr(predicate, "_test", test)


def list_equality(patch: Patch) -> None:
    patch.setattr(predicate, "equal", lambda a, b: a == b)


def text_is_a_list(patch: Patch) -> None:
    inner = predicate._overlap
    patch.setattr(predicate, "_overlap", lambda raw, ops: inner([raw] if isinstance(raw, str) else raw, ops))


def overlap_of_all(patch: Patch) -> None:
    inner = predicate._overlap
    patch.setattr(predicate, "_overlap", lambda raw, ops: bool(ops) and all(inner(raw, (op,)) for op in ops))


def missing_first(patch: Patch) -> None:
    inner = predicate.ordered

    def ordered(rows: Any, order: Any) -> list[Any]:
        found = inner(rows, order)
        for target, _ in reversed(order):
            found.sort(key=lambda row: target.kind.comparable(predicate.fetch(row, target.keys)) is not None)
        return found

    patch.setattr(predicate, "ordered", ordered)


def one_order(patch: Patch) -> None:
    inner = predicate.ordered
    patch.setattr(predicate, "ordered", lambda rows, order: inner(rows, order[:1]))


def ties_reversed(patch: Patch) -> None:
    inner = predicate.ordered
    patch.setattr(
        predicate,
        "ordered",
        lambda rows, order: (
            inner(rows, order) if not order or not order[0][1] else inner(rows, ((order[0][0], False),))[::-1]
        ),
    )


def three_valued(patch: Patch) -> None:
    """NOT of a comparison with nothing is false, as in SQL."""
    whole = predicate.predicate

    def negated(node: Node) -> predicate.Predicate:
        if isinstance(node, Not) and isinstance(node.child, Leaf) and node.child.op != "isnull":
            leaf, test = node.child, whole(node.child)
            present = leaf.target.kind.comparable
            return lambda row: present(predicate.fetch(row, leaf.target.keys)) is not None and not test(row)
        return whole(node)

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
    Mutant("order: missing values first", "Python", missing_first),
    Mutant("order: by the first field only", "Python", one_order),
    Mutant("order: ties reversed", "Python", ties_reversed),
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
    inner = source.split  # type: ignore[attr-defined]
    patch.setattr(source, "split", lambda where, known: inner(_flat(where, Either), known))


def under_not(patch: Patch) -> None:
    inner = source.split  # type: ignore[attr-defined]
    patch.setattr(source, "split", lambda where, known: inner(where.child if isinstance(where, Not) else where, known))


def _flat(where: Node, kind: type) -> Node:
    return All(where.children) if isinstance(where, kind) else where


def ids_cut(patch: Patch) -> None:
    inner = source.ids_in  # type: ignore[attr-defined]
    patch.setattr(source, "ids_in", lambda where: (ids := inner(where)) and ids[: max(1, len(ids) - 1)])


def ids_under_or(patch: Patch) -> None:
    inner = source.ids_in  # type: ignore[attr-defined]
    patch.setattr(source, "ids_in", lambda where: inner(_flat(where, Either)))


def no_recheck(patch: Patch) -> None:
    """Trust what the server did with `companyId=a,b` on a resource that takes one value."""
    whole = predicate.predicate
    patch.setattr(source, "predicate", lambda node: whole(blind(node, "in", True)))


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
    patch.setattr(source, "wires", lambda where: set())


def hidden_shown(patch: Patch) -> None:
    patch.setattr(source.ApiSource, "_test", lambda self, way, query: predicate.predicate(way.test))


def tasks_of_one_list(patch: Patch) -> None:
    inner = source.ApiSource._rows

    def rows(self: Any, way: Any, query: Any, wanted: Any) -> Any:
        return inner(self, way, query.changed(hidden=False), wanted)

    patch.setattr(source.ApiSource, "_rows", rows)


def wanted_too_few(patch: Patch) -> None:
    patch.setattr(source.Strategy, "whole", property(lambda self: True))


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
        inner = compiler.Compiler._direct

        def _direct(self: Any, table: Any, value: Any, kind: Any, wanted: str, operand: Any) -> Any:
            if wanted == op and op in lookups.LEGAL[kind]:
                return write(self, value, operand)
            return inner(self, table, value, kind, wanted, operand)

        patch.setattr(compiler.Compiler, "_direct", _direct)

    return Mutant(f"{op}: {name}", "mirror", make)


def quick(name: str, method: str, change: Callable[..., Any]) -> Mutant:
    return words(name, method, change)


def no_coalesce(self: Any, node: Node, table: Any, home: Any) -> Any:
    if isinstance(node, Not):
        return not_(self.where(node.child, table, home))
    return where(self, node, table, home)


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
    def order(self: Any, query: Any, table: Any) -> list[Any]:
        terms: list[Any] = []
        for target, descending in query.order[: 1 if first_only else None]:
            value = self.comparable(target, table, compiler.layout_for(query.resource))  # type: ignore[attr-defined]
            if not nulls_first:
                terms.append(value.is_(None))
            terms.append(value.desc() if descending else value.asc())
        return [*terms, table.c.id.asc() if ties else table.c.id.desc()]

    return order


def hops_hide(patch: Patch) -> None:
    inner = compiler.Compiler._belongs
    patch.setattr(
        compiler.Compiler, "_belongs", lambda self, table, home, hidden: inner(self, table, home, hidden=False)
    )


def no_resource(patch: Patch) -> None:
    patch.setattr(compiler.Compiler, "_belongs", lambda self, table, home, hidden: true())


def column_only(self: Any, target: Any, table: Any, home: Any) -> Any:
    value = self.value(target, table, home)
    return self.dialect.missing(value) if isinstance(value, compiler.Cell) else value.is_(None)


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
    words("contains: the JSON text", "_ask", lambda self, cell, op, operand: func.instr(self._json(cell), json_text(operand)) > 0 if op == "contains" else matches_ask(self, cell, op, operand)),
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
    asks("month: day", lambda op: {"month": "day"}.get(op, op)),
    asks("week_day: day", lambda op: {"week_day": "day"}.get(op, op)),
    asks("year: month", lambda op: {"year": "month"}.get(op, op)),
    asks("hour: day", lambda op: {"hour": "day"}.get(op, op)),
    asks("day: hour", lambda op: {"day": "hour"}.get(op, op)),
    reader("not: three-valued", "where", no_coalesce),
    reader("isnull: what is kept in extra is missing", "_missing", column_only),
    reader("order: missing values first", "order", order_of(nulls_first=True)),
    reader("order: ties the other way", "order", order_of(ties=False)),
    reader("order: by the first field only", "order", order_of(first_only=True)),
    Mutant("relations see only what lists show", "mirror", hops_hide),
    Mutant("hidden records and other types show", "mirror", no_resource),
    Mutant("slices are ignored", "mirror", lambda patch: patch.setattr(compiler, "_sliced", lambda statement, query: statement)),
    Mutant("two fields never compare", "mirror", lambda patch: patch.setattr(compiler.Compiler, "_pair", lambda self, *sides: false())),
    words("two cells compare the other way", "pair", lambda self, table, left, op, right: pair(self, table, right, op, left)),
]  # fmt: skip
matches_ask = sqlite.SqliteDialect._ask
pair = sqlite.SqliteDialect.pair

MUTANTS = [*CONSTANT, *PYTHON, *API, *MIRROR]


def lived(mutant: Mutant, mirrored: Mirrored, most: int = MOST) -> int | None:
    """How many queries a mutant lived, at most; None when it survived them all."""
    readings: dict[str, Any] = {"API": {"API": by_api}, "Python": {"Python": by_python}, "mirror": {"mirror": mirrored}}
    with pytest.MonkeyPatch.context() as patch:
        mutant.make(patch)
        found = next(disagreements(range(most // QUERIES_PER_TENANT), readings[mutant.reading]), None)
    return None if found is None else (found.seed + 1) * QUERIES_PER_TENANT


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
