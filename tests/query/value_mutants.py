"""Mistakes in values, figures and groups, in Python's reading and in the mirror's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Integer, and_, case, cast, false, func, literal, literal_column, or_, true

from planhat_orm.client import evaluation, links
from planhat_orm.mirror.db.json_text import json_text
from planhat_orm.mirror.reading import (
    aggregates,
    compiler,
    days,
    expressions,
    figures,
    group_names,
    grouping,
    sqlite,
    sqlite_values,
    trees,
    whole_sums,
)
from planhat_orm.mirror.reading.joins import Joins, Mixed, columns_of
from planhat_orm.query import dates, groups, predicate, raw_values, tally
from planhat_orm.query.lookups import COMPARE
from planhat_orm.query.tree import EVERYTHING
from planhat_orm.wire.hierarchy import PARENT

from .mutation import Mutant, Patch


def python(name: str, home: Any, attribute: str, replacement: Any) -> Mutant:
    return Mutant(name, "Python", lambda patch: patch.setattr(home, attribute, replacement))


def mirror(name: str, home: Any, attribute: str, replacement: Any) -> Mutant:
    return Mutant(name, "mirror", lambda patch: patch.setattr(home, attribute, replacement))


# --- Python ---------------------------------------------------------------------------------------------


def fan_out(*args: Any) -> Any:
    """A record counts once for each way to it."""
    follow = records_over(*args)
    return lambda row: [far for far in follow(row) for _ in range(2)]


records_over = predicate.records_over


def filter_dropped(hops: Any, environment: Any, where: Any = (), hidden: Any = ()) -> Any:
    return records_over(hops, environment, (where[0], *([EVERYTHING] * len(hops))) if where else (), hidden)


def hidden_counted(hops: Any, environment: Any, where: Any = (), hidden: Any = ()) -> Any:
    return records_over(hops, environment, where, tuple(True for _ in hidden))


def of_all_figures(change: Callable[..., Any]) -> Callable[[Patch], None]:
    def make(patch: Patch) -> None:
        patch.setattr(predicate, "records_over", change)
        patch.setattr(groups, "records_over", change)

    return make


def zero_for_nothing(op: str) -> Any:
    calculate = on_numbers(op)
    return lambda left, right: 0.0 if op == "/" and right == 0 else calculate(left, right)


def whole_division(op: str) -> Any:
    calculate = on_numbers(op)

    def divide(left: Any, right: Any) -> Any:
        found = calculate(left, right)
        return float(int(found)) if op == "/" and found is not None else found

    return divide


on_numbers = predicate._on_numbers
result, add = tally.Tally.result, tally.Tally.add


def sum_of_nothing(self: Any) -> Any:
    return 0.0 if self.figure.function == "sum" and not self.count else result(self)


def every_value(self: Any, value: Any) -> None:
    self._seen = None
    add(self, value)


def plain_parts(value: float) -> tuple[int, int]:
    """To six decimals only."""
    whole, fractions = parts_of(value)
    return whole, fractions // 1000 * 1000


parts_of, items, truncated = tally.parts_of, predicate.items, dates.truncated


def items_doubled(item: Any) -> Any:
    read = items(item)
    return lambda row: [*read(row), *read(row)]


def no_group_of_nothing(item: Any) -> Any:
    read = items(item)
    return lambda row: [value for value in read(row) if value is not None]


def from_sunday(value: Any, unit: str, zone: str) -> Any:
    found = truncated(value, unit, zone)
    if unit != "week" or found is None:
        return found
    day = dates.part_of(value, "date", zone)
    return None if day is None else day - (day + 4) % 7


def in_utc(value: Any, part: str, zone: str) -> Any:
    return dates.part_of(value, part, "UTC")


def having_after_limit(self: Any) -> Any:
    query = self._query
    self._query = query.changed(having=EVERYTHING)
    rows = group_rows(self)
    self._query = query.changed(start=0, stop=None)
    kept = group_rows(self)
    return [row for row in rows if row in kept]


group_rows = groups.Groups.rows


def seen_each_time(figure: Any, environment: Any) -> Any:
    """A record counts in a group once for each record that leads to it."""
    inner = adder(figure, environment)

    def add_again(total: Any, row: Any) -> None:
        total.seen = set()
        inner(total, row)

    return add_again


closure = links._closure


def one_level(hop: Any, rows: Any) -> Any:
    """A tree is followed by one step."""
    return links.lookup(replace(hop, closure=False), rows)


def without_itself(hop: Any, rows: Any) -> Any:
    return closure(replace(hop, itself=False), rows)


def first_of_path(row: Any) -> Any:
    path = row.get("orgPath")
    return next((step for step in path.split(",") if step), None) if isinstance(path, str) else None


adder, first_of_each, index = groups._adder, predicate.first_of_each, links.Links._index

PYTHON = [
    Mutant("a figure counts a record once for each way to it", "Python", of_all_figures(fan_out)),
    Mutant("a figure drops its filter", "Python", of_all_figures(filter_dropped)),
    Mutant("a figure counts what lists hide", "Python", of_all_figures(hidden_counted)),
    python("a figure of a group counts a record twice", groups, "_adder", seen_each_time),
    python("dividing by zero gives zero", predicate, "_on_numbers", zero_for_nothing),
    python("division gives whole numbers", predicate, "_on_numbers", whole_division),
    python("the sum of nothing is zero", tally.Tally, "result", sum_of_nothing),
    python("distinct is lost", tally.Tally, "add", every_value),
    python("a sum has six decimals", tally, "parts_of", plain_parts),
    python("an element counts twice", groups, "items", items_doubled),
    python("records without elements are in no group", groups, "items", no_group_of_nothing),
    python("weeks start on Sunday", predicate, "truncated", from_sunday),
    python("parts of dates are in UTC", predicate, "part_of", in_utc),
    python("conditions on groups come after the slice", groups.Groups, "rows", having_after_limit),
    python("the last of each is kept", evaluation, "first_of_each", lambda rows, *rest: first_of_each(rows[::-1], *rest)),
    python("figures find what lists hide", links.Links, "_index", lambda self, hop, hidden: index(self, hop, True)),
    python("a tree is followed by one step", links, "_closure", one_level),
    python("a tree leaves its own record out", links, "_closure", without_itself),
    python("a circle has no end but the last level", links, "DEEPEST", 2),
    python("a parent is the first of its path", raw_values, "_DERIVED", {PARENT: (first_of_path, raw_values._DERIVED[PARENT][1])}),
    python("a choice takes the last branch", predicate, "_case", lambda expr, env: case_(replace(expr, branches=expr.branches[::-1]), env)),  # type: ignore[has-type]
]  # fmt: skip
case_ = predicate._case

# --- the mirror -----------------------------------------------------------------------------------------

chain, counted, grouped = figures.chain, figures.counted, figures.grouped
finished, is_apart = figures.finished, grouping._is_apart
statement, outer = grouping.statement, grouping._outer


def no_filter(self: Any, figure: Any, *rest: Any, **named: Any) -> Any:
    return chain(self, replace(figure, where=tuple([EVERYTHING] * len(figure.where))), *rest, **named)


def all_seen(self: Any, figure: Any, *rest: Any, **named: Any) -> Any:
    return chain(self, replace(figure, hidden=tuple(True for _ in figure.hidden)), *rest, **named)


def repeated(self: Any, figure: Any, *rest: Any, **named: Any) -> Any:
    made = chain(self, figure, *rest, **named)
    made.__class__ = _Repeated
    return made


class _Repeated(figures.Chain):
    """Never told that it repeats."""

    @property
    def repeats(self) -> bool:
        return False

    @repeats.setter
    def repeats(self, value: bool) -> None:
        return


def inner_joins(self: Any, other: Any, condition: Any, *, inner: bool = False) -> None:
    self._source = self._source.join(other, condition, isouter=False)


def everywhere(change: Callable[..., Any]) -> Callable[[Patch], None]:
    def make(patch: Patch) -> None:
        patch.setattr(figures, "chain", change)
        patch.setattr(grouping, "chain", change)

    return make


arithmetic, trunc, part = sqlite.SqliteDialect.arithmetic, sqlite.SqliteDialect.trunc, sqlite.SqliteDialect.part
total, sum_parts = sqlite.SqliteDialect.total, sqlite.SqliteDialect.sum_parts


def zero_in_sql(self: Any, op: str, left: Any, right: Any) -> Any:
    found = arithmetic(self, op, left, right)
    return func.coalesce(found, 0.0) if op == "/" else found


def whole_in_sql(self: Any, op: str, left: Any, right: Any) -> Any:
    found = arithmetic(self, op, left, right)
    return cast(found, Integer) * 1.0 if op == "/" else found


def infinite(patch: Patch) -> None:
    patch.setattr(sqlite.SqliteDialect, "finite", lambda self, value: value)
    patch.setattr(sqlite.SqliteDialect, "is_finite", lambda self, op, value: true())


def sunday_in_sql(self: Any, source: Any, kind: Any, value: Any, unit: str, zone: str) -> Any:
    if unit != "week":
        return trunc(self, source, kind, value, unit, zone)
    day = self.part(source, kind, value, "date", zone)
    return day - sqlite_values._modulo(day + 4, 7)


def having_dropped_after(self: Any, query: Any, joins: Any) -> Any:
    """Conditions on groups come after the slice."""
    return outer(
        self,
        query.changed(start=0, stop=None) if query.having == EVERYTHING else query.changed(having=EVERYTHING),
        joins,
    )


walks, near_ids, step = trees.walks, trees.near_ids, trees._step


def strict(self: Any, hop: Any, roots: Any = EVERYTHING) -> Any:
    return walks(self, replace(hop, itself=False), roots)


def all_roots_but_some(self: Any, hop: Any, roots: Any = EVERYTHING) -> Any:
    walk, counts = walks(self, hop, roots)
    return walk, and_(counts, walk.c.level < 2)


def turned(self: Any, hop: Any, id: Any, *, down: bool) -> Any:
    return step(self, hop, id, down=not down)


def near_once(self: Any, hop: Any, where: Any, hidden: Any) -> Any:
    return near_ids(self, replace(hop, itself=not hop.itself), where, hidden)


aggregate_parts, aggregate_count = aggregates.Aggregate.parts, aggregates.Aggregate._count
elements = sqlite.SqliteDialect.elements
in_query = compiler.Compiler._in_query


def whole_query(self: Any, node: Any, joins: Any) -> Any:
    """A slice in a condition is lost."""
    return in_query(self, replace(node, query=node.query.changed(start=0, stop=None)), joins)


def ends_at_midnight(patch: Patch) -> None:
    """The end of a day or year is its beginning."""
    bounds = {op: [(lookup, end, "") for lookup, end, _ in found] for op, found in days._BOUNDS.items()}
    patch.setattr(days, "_BOUNDS", bounds)


def nothing_is_missing(patch: Patch) -> None:
    """Of no related record there is no count."""
    patch.setattr(compiler, "COMPARE", dict.fromkeys(COMPARE, lambda count, operand: False))


def key_is_enough(self: Any, cell: Any) -> Any:
    """What `_extra` names is not missing, though it says null."""
    return or_(cell.base.is_(None), func.instr(cell.base, json_text(cell.path[0])) == 0)


MIRROR = [
    Mutant("days end where they begin", "mirror", ends_at_midnight),
    Mutant("a count of nothing is less than none", "mirror", nothing_is_missing),
    mirror("a null in extra is a value", sqlite.SqliteDialect, "missing", key_is_enough),
    mirror("a group is called by its id", group_names, "looked_up", lambda self, figure, reference, source: (source, reference)),
    Mutant("a figure drops its filter", "mirror", everywhere(no_filter)),
    Mutant("a figure counts what lists hide", "mirror", everywhere(all_seen)),
    Mutant("a figure counts a record once for each way to it", "mirror", everywhere(repeated)),
    mirror("joins leave records out", Joins, "join", inner_joins),
    mirror("dividing by zero gives zero", sqlite.SqliteDialect, "arithmetic", zero_in_sql),
    mirror("division gives whole numbers", sqlite.SqliteDialect, "arithmetic", whole_in_sql),
    Mutant("what is not finite is a number", "mirror", infinite),
    mirror("the sum of nothing is zero", sqlite.SqliteDialect, "total", lambda self, parts: func.coalesce(total(self, parts), 0.0)),
    mirror("distinct is lost", aggregates.Aggregate, "_count", lambda self, value: func.count(columns_of(value)[0])),
    mirror("an element of any type is text", sqlite, "_mixed", lambda type_, value: Mixed(literal(2), value * 1.0, value)),
    mirror("weeks start on Sunday", sqlite.SqliteDialect, "trunc", sunday_in_sql),
    mirror("parts of dates are in UTC", sqlite.SqliteDialect, "part", lambda self, source, kind, value, asked, zone: part(self, source, kind, value, asked, "UTC")),
    mirror("first days are in UTC", sqlite.SqliteDialect, "trunc", lambda self, source, kind, value, unit, zone: trunc(self, source, kind, value, unit, "UTC")),
    mirror("conditions on groups are lost where there is a slice", grouping, "_outer", having_dropped_after),
    mirror("a slice in a condition is lost", compiler.Compiler, "_in_query", whole_query),
    mirror("a tree leaves its own record out", trees, "walks", strict),
    mirror("a tree is followed by one step", trees, "walks", all_roots_but_some),
    mirror("a tree is followed the other way", trees, "_step", turned),
    mirror("a condition on a tree takes the record itself for another", trees, "near_ids", near_once),
    mirror("a walk up a tree counts a record each time", figures, "_meets_again", lambda hop, level: False),
    mirror("a tree is followed for two levels", trees, "_deepest", lambda: literal_column("2")),
    mirror("a choice takes the last branch", expressions, "_case", lambda self, expr, joins: sql_case(self, replace(expr, branches=expr.branches[::-1]), joins)),  # type: ignore[has-type]
    mirror("groups by elements count whole lists", grouping, "elements_of", lambda self, item, raws: elements_of(self, item, raws.limit(1))),  # type: ignore[has-type]
]  # fmt: skip
sql_case, elements_of = expressions._case, grouping.elements_of


def plain_sum(patch: Patch) -> None:
    def parts(self: Any, value: Any) -> Any:
        return {**sum_parts(self, value), "plain": func.sum(value * 1.0)}

    merged = sqlite.SqliteDialect.merged_parts

    def again(self: Any, found: Any) -> Any:
        return {**merged(self, found), "plain": func.sum(found["plain"])}

    patch.setattr(sqlite.SqliteDialect, "sum_parts", parts)
    patch.setattr(sqlite.SqliteDialect, "merged_parts", again)
    patch.setattr(sqlite.SqliteDialect, "total", lambda self, found: found["plain"])


def large_as_whole(self: Any, column: Any, value: Any) -> Any:
    """The largest are left out; others are added up as whole numbers."""
    found = whole_sum(self, column, value)
    return None if found is None else func.sum(case((func.abs(value) < 1e18, value)))


whole_sum = sqlite.SqliteDialect.whole_sum
MIRROR += [
    Mutant("a plain sum", "mirror", plain_sum),
    mirror("a sum of doubles is as good as one of whole numbers", sqlite.SqliteDialect, "is_inexact", lambda self, found: false()),
    mirror("large numbers are no part of a sum", sqlite.SqliteDialect, "whole_sum", large_as_whole),
    mirror("the exact sum is of another group", whole_sums, "and_", lambda *conditions: true()),
]  # fmt: skip
VALUES = [*PYTHON, *MIRROR]
