"""The oracle: what a query means, worked out by looking at every record, one at a time.

It shares no code with the library but what a date text means: a mistake in a lookup's Python would otherwise
be in every reading at once, as the mirror asks Python for what SQL has no words for.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import regex

from planhat_orm import Q
from planhat_orm.query import kinds
from planhat_orm.query.conditions import Exists
from planhat_orm.query.moments import zone_named
from planhat_orm.query.query import Query
from planhat_orm.query.tree import (
    All,
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
    Trunc,
)
from planhat_orm.query.tree import Any as Either
from planhat_orm.query.tree import Test as Leaf
from planhat_orm.queryset.namespace import Namespace
from planhat_orm.wire.resources import resource

from .tenants import Row, Tenant


def value_of(kind: str, raw: Any) -> Any:
    """What a raw value compares by, or None."""
    truth = isinstance(raw, bool)
    if kind in ("text", "id", "ref"):
        if kind == "ref" and isinstance(raw, dict):
            raw = raw.get("_id") or raw.get("id")
        return str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw if isinstance(raw, str) else None
    if kind in ("number", "integer"):
        if isinstance(raw, str):
            return float(raw) if re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", raw) else None
        return float(raw) if isinstance(raw, (int, float)) and not truth else None
    if kind == "boolean":
        return raw if truth else None
    if kind == "datetime":
        read = kinds.DATETIME.load(raw)
        return read if isinstance(read, datetime) else None
    if kind == "day":
        if isinstance(raw, str):
            read = kinds.DATETIME.load(raw)
            return read.date() if isinstance(read, datetime) else None
        fits = isinstance(raw, (int, float)) and not truth and -719162 <= raw < 2932897
        return date(1970, 1, 1) + timedelta(days=int(raw)) if fits else None
    if kind == "any" and not isinstance(raw, (list, dict)):
        return float(raw) if isinstance(raw, (int, float)) and not truth else raw
    return None


def operand_of(kind: str, value: Any) -> Any:
    """An operand of a resolved test as a value that the oracle compares."""
    if kind == "datetime" and isinstance(value, str):
        return datetime.fromisoformat(value)
    return date(1970, 1, 1) + timedelta(days=value) if kind == "day" and isinstance(value, int) else value


def equal(left: Any, right: Any) -> bool:
    return (
        isinstance(left, bool) is isinstance(right, bool)
        and isinstance(left, str) is isinstance(right, str)
        and left == right
    )


def compared(op: str, left: Any, right: Any) -> bool:
    if op == "exact":
        return equal(left, right)
    if isinstance(left, bool) or isinstance(right, bool) or isinstance(left, str) is not isinstance(right, str):
        return False
    if isinstance(left, date) is not isinstance(right, date) or isinstance(left, datetime) is not isinstance(
        right, datetime
    ):
        return False
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[op]  # type: ignore[no-any-return]


def folded(text: Any) -> Any:
    return text.casefold() if isinstance(text, str) else None


def searching(value: str, wanted: str) -> Any:
    """Who searches: Python's own `re`, but for two letters of Turkish that it takes for an i."""
    return regex if set("ıİ") & set(value + wanted) else re


def looked_up(op: str, kind: str, value: Any, wanted: Any) -> bool:
    """Whether a value that is there satisfies a lookup."""
    if op == "in":
        return any(equal(value, operand_of(kind, name)) for name in wanted)
    if op == "range":
        low, high = (operand_of(kind, name) for name in wanted)
        return compared("gte", value, low) and compared("lte", value, high)
    if op in ("exact", "gt", "gte", "lt", "lte"):
        return compared(op, value, operand_of(kind, wanted))
    if not isinstance(value, str) or not isinstance(wanted, str):
        return False
    if op in ("regex", "iregex"):
        return bool(searching(value, wanted).search(wanted, value, re.I if op == "iregex" else 0))
    if op.startswith("i"):
        op, value, wanted = op[1:], value.casefold(), wanted.casefold()
    place = value.find(wanted)
    if op == "exact":
        return value == wanted  # type: ignore[no-any-return]
    if op == "contains":
        return place >= 0  # type: ignore[no-any-return]
    return (
        place == 0 if op == "startswith" else value[len(value) - len(wanted) :] == wanted and len(wanted) <= len(value)
    )


def parent_of(row: Row) -> str | None:
    """The id before the record's own in its path, or the last one of a path without it."""
    path, own = row.get("orgPath"), row["_id"]
    ids = [part.strip() for part in path.split(",") if part.strip()] if isinstance(path, str) else []
    before = ids[: ids.index(own)] if own in ids else ids
    return before[-1] if before else None


def raw_at(row: Row, keys: tuple[str, ...]) -> Any:
    if keys == ("orgPath/parent",):
        return parent_of(row)
    value: Any = row
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def bare(listed: list[Any]) -> list[Any]:
    """The ids of a list of references, objects among them."""
    return [(row.get("_id") or row.get("id") or row) if isinstance(row, dict) else row for row in listed]


@dataclass
class World:
    """The records that there are, the time zone, and what is known of a group."""

    tenant: Tenant
    zone: str = "UTC"
    known: dict[Expr, Any] = field(default_factory=dict)

    @property
    def plain(self) -> World:
        """The same for records other than this one."""
        return World(self.tenant, self.zone)


def holds(node: Node, row: Row, world: World) -> bool:
    """Whether a record satisfies a tree; relations are followed by looking at every record."""
    match node:
        case All(children):
            return all(holds(child, row, world) for child in children)
        case Either(children):
            return any(holds(child, row, world) for child in children)
        case Not(child):
            return not holds(child, row, world)
        case Related(_, hop, where, hidden):
            return any(holds(where, far, world.plain) for far in over(hop, hidden, row, world))
        case InQuery(target, inner, value):
            rows = chosen(inner, World(world.tenant, inner.zone))
            wanted = {found for far in rows for found in held(value, far)}
            return bool(wanted & set(held(target, row)))
    found, op, wanted = node.target, node.op, node.value
    if isinstance(found, Target) and not found.hops and found not in world.known:
        raw, kind = raw_at(row, found.keys), found.kind.name
        if op == "isnull":
            return (raw is None) is wanted
        if kind == "refs" and isinstance(raw, list):
            raw = bare(raw)
        if op == "overlap" or (op == "contains" and isinstance(raw, list) and kind in ("list", "refs", "any")):
            return any(
                equal(value, other) for value in scalars(raw) for other in (wanted if op == "overlap" else (wanted,))
            )
        if op == "contains" and kind in ("list", "refs"):
            return False
    value = worth(found, row, world)
    if op == "isnull":
        return (value is None) is wanted
    if isinstance(wanted, Expr):
        other = worth(wanted, row, world)
        return value is not None and other is not None and of_two_kinds(op, value, other)
    return value is not None and looked_up(op, found.kind.name, value, wanted)


def held(target: Target, row: Row) -> list[str]:
    raw = raw_at(row, target.keys)
    if isinstance(raw, list):
        return [item for item in bare(raw) if isinstance(item, str)] if target.kind.name in ("refs", "list") else []
    value = value_of(target.kind.name, raw)
    return [value] if isinstance(value, str) else []


def scalars(raw: Any) -> list[Any]:
    return [value for value in raw if isinstance(value, (str, int, float))] if isinstance(raw, list) else []


def over(hop: Hop, hidden: bool, row: Row, world: World) -> list[Row]:
    """The records that a hop leads to."""
    if hop.closure:
        return walked(hop, row, world)
    param = resource(hop.resource).hidden_by
    return [
        far
        for far in records(world.tenant, hop.resource)
        if linked(hop, row, far) and (hidden or param is None or far.get(str(param.hides)) is not True)
    ]


def walked(hop: Hop, row: Row, world: World) -> list[Row]:
    """The records that a hop leads to again and again, and the record itself where it counts."""
    there = records(world.tenant, hop.resource)
    ids = {row["_id"]} if hop.itself else set()
    last = [row]
    while last:
        last = [far for far in there if any(linked(hop, near, far) for near in last) and far["_id"] not in ids]
        ids |= {far["_id"] for far in last}
    return [far for far in there if far["_id"] in ids]


# --- values ---------------------------------------------------------------------------------------------


def worth(expr: Expr, row: Row, world: World) -> Any:
    """A value of a record: text, a float, truth, a moment or a day; None for nothing."""
    if expr in world.known:
        return world.known[expr]
    match expr:
        case Target(hops=hops):
            for hop in hops:
                found = over(hop, True, row, world)
                if not found:
                    return None
                row = found[0]
            return value_of(expr.kind.name, raw_at(row, expr.keys))
        case Constant(value, kind):
            found = operand_of(kind.name, value)
            return float(found) if isinstance(found, int) and not isinstance(found, bool) else found
        case Arithmetic(op, left, right):
            return calculated(op, worth(left, row, world), worth(right, row, world), expr)
        case Part(part, of):
            return part_of(part, worth(of, row, world), world.zone)
        case Trunc(unit, of):
            return first_day(unit, part_of("date", worth(of, row, world), world.zone))
        case Coalesce(values):
            return next((found for value in values if (found := worth(value, row, world)) is not None), None)
        case Case(branches, default):
            for where, then in branches:
                if holds(where, row, world):
                    return worth(then, row, world)
            return None if default is None else worth(default, row, world)
        case Figure():
            return figure(expr, [row], world)
    raise AssertionError(expr)


def calculated(op: str, left: Any, right: Any, expr: Arithmetic) -> Any:
    if left is None or right is None:
        return None
    try:
        if isinstance(left, date) and isinstance(right, date):
            if isinstance(left, datetime) and isinstance(right, datetime):
                return (left - right) / timedelta(milliseconds=1) / 86400000.0
            return float((left - right).days)
        if any(isinstance(side, (str, bool)) for side in (left, right)):
            return None
        if isinstance(left, datetime):
            days = right if op == "+" else -right
            moment = left + timedelta(milliseconds=math.floor(days * 86400000.0 + 0.5))
            return moment if moment.year >= 1 else None
        if isinstance(left, date):
            return left + timedelta(days=math.floor(right if op == "+" else -right))
        symbols: dict[str, Callable[[float, float], float]] = {
            "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv
        }  # fmt: skip
        found = symbols[op](left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def part_of(part: str, value: Any, zone: str) -> Any:
    if value is None:
        return None
    if isinstance(value, datetime):
        try:
            value = value.astimezone(zone_named(zone))
        except OverflowError:
            return None
    day = value.date() if isinstance(value, datetime) else value
    if part == "date":
        return day
    return float(
        {  # type: ignore[no-untyped-call]
            "year": lambda: day.year, "month": lambda: day.month, "day": lambda: day.day, "hour": lambda: value.hour,
            "quarter": lambda: (day.month - 1) // 3 + 1, "week": lambda: day.isocalendar()[1],
            "week_day": lambda: day.isoweekday() % 7 + 1,
        }[part]()
    )  # fmt: skip


def first_day(unit: str, day: date | None) -> date | None:
    if day is None or unit == "day":
        return day
    if unit == "week":
        return day - timedelta(days=day.isoweekday() - 1)
    months = {"year": 1, "quarter": (day.month - 1) // 3 * 3 + 1, "month": day.month}
    return date(day.year, months[unit], 1)


def figure(item: Figure, rows: list[Row], world: World) -> Any:
    """A figure over what some records lead to, each once; or, without relations, over those records."""
    level = [row for row in rows if not item.where or holds(item.where[0], row, world)]
    for number, hop in enumerate(item.hops):
        there = {
            far["_id"]: far
            for row in level
            for far in over(hop, item.hidden[number], row, world)
            if holds(item.where[number + 1], far, world.plain)
        }
        level = list(there.values())
    values = [counted(item, row, world if not item.hops else world.plain) for row in level]
    values = [value for value in values if value is not None]
    if item.distinct:
        values = list({(type(value), value): value for value in values}.values())
    if item.function == "count":
        return float(len(values))
    if not values:
        return None if item.default is None else operand_of(item.kind.name, item.default.value)
    if item.function in ("min", "max"):
        pick = min if item.function == "min" else max
        return pick(values, key=rank)
    total = exact_sum(values)
    return total if item.function == "sum" or total is None else total / len(values)


def counted(item: Figure, row: Row, world: World) -> Any:
    if item.value is None:
        return True
    if item.function == "count" and not item.distinct and isinstance(item.value, Target) and not item.value.hops:
        return None if raw_at(row, item.value.keys) is None else True
    return worth(item.value, row, World(world.tenant, world.zone))


def exact_sum(values: list[float]) -> float | None:
    """The sum of numbers with nine decimals each."""
    units = 0
    for value in values:
        if abs(value) >= 2**53:
            units += int(Decimal(repr(value))) * 10**9
        else:
            units += int(value) * 10**9 + int((value - int(value)) * 1e9 + 1000000000.5) - 10**9
    whole, rest = divmod(units, 10**9)
    try:
        return float(whole) + rest / 1e9
    except OverflowError:
        return None


def rank(value: Any) -> tuple[int, Any]:
    return (0 if isinstance(value, bool) else 2 if isinstance(value, str) else 1), value


def plain(value: Any) -> Any:
    """A value as the readings give it."""
    if isinstance(value, datetime):
        return kinds.iso(value)
    return (value - date(1970, 1, 1)).days if isinstance(value, date) else value


def of_two_kinds(op: str, left: Any, right: Any) -> bool:
    """Two fields of different kinds compare by what the wire would hold: days are numbers, moments text."""
    return compared(op, plain(left), plain(right))


def linked(hop: Hop, near: Row, far: Row) -> bool:
    def side(row: Row, wire: str, many: bool) -> set[str]:
        raw = raw_at(row, (wire,))
        if many:
            return {item for item in bare(raw) if isinstance(item, str)} if isinstance(raw, list) else set()
        return {value} if (value := value_of("ref", raw)) is not None else set()

    return bool(side(near, hop.near, hop.many_near) & side(far, hop.far, hop.many_far))


def records(tenant: Tenant, name: str) -> list[Row]:
    if name == "note":
        return [row for row in tenant["conversation"] if row.get("type") == "note"]
    return tenant[name]


# --- which records --------------------------------------------------------------------------------------

Keep = Callable[[Row, World], bool]


def satisfies(namespace: Namespace, verb: str, condition: Q) -> Keep:
    """Whether a record is kept by one call: some way of the condition holds, with one record for each relation."""
    alternatives = [together(way) for way in ways(namespace, condition)]

    def keep(row: Row, world: World) -> bool:
        return any(holds(All(tuple(way)), row, world) for way in alternatives) is (verb == "filter")

    return keep


def ways(namespace: Namespace, condition: Q) -> list[list[Node]]:
    """The alternatives that a condition allows, each a list of single conditions that hold together."""
    if isinstance(condition, Exists):
        return [[namespace.condition(condition)]]
    if condition.negated:
        inside = ways(namespace, Q._of(condition.children, condition.connector))
        return [[Not(Either(tuple(All(tuple(together(way))) for way in inside)))]]
    parts = [
        ways(namespace, child) if isinstance(child, Q) else [[namespace.condition(Q._of((child,)))]]
        for child in condition.children
    ]
    if condition.connector == "or":
        return [way for part in parts for way in part]
    return [[node for way in chosen for node in way] for chosen in product(*parts)]


def together(nodes: list[Node]) -> list[Node]:
    """Conditions over one relation as one condition on its records; those of `Exists` stay apart."""
    found: list[Node] = []
    joined: dict[Hop, list[Node]] = {}
    for node in nodes:
        if isinstance(node, Related) and node.shared:
            joined.setdefault(node.hop, []).append(node.where)
        else:
            found.append(node)
    return found + [Related("", hop, All(tuple(together(inside)))) for hop, inside in joined.items()]


def by_tree(query: Query) -> list[Keep]:
    return [lambda row, world: holds(query.where, row, world)]


def chosen(query: Query, world: World, keep: list[Keep] | None = None) -> list[Row]:
    """The records that a query means, in its order. What is chosen follows from the calls, where they are given."""
    hidden = resource(query.resource).hidden_by
    rows = [
        row
        for row in records(world.tenant, query.resource)
        if (query.hidden or hidden is None or row.get(str(hidden.hides)) is not True)
        and all(condition(row, world) for condition in (by_tree(query) if keep is None else keep))
    ]
    rows.sort(key=lambda row: row["_id"])
    rows = in_order(rows, query, lambda expr, row: worth(expr, row, world))
    if query.distinct:
        first: dict[Any, Row] = {}
        for row in rows:
            key = tuple(rank(worth(expr, row, world)) for expr in query.distinct)
            first.setdefault(key, row)
        rows = list(first.values())
    return rows[query.start : query.stop]


def in_order(rows: list[Any], query: Query, read: Callable[[Expr, Any], Any]) -> list[Any]:
    for expr, descending in reversed(query.order):
        keyed = [(read(expr, row), row) for row in rows]
        there = [pair for pair in keyed if pair[0] is not None]
        there.sort(key=lambda pair: rank(pair[0]), reverse=descending)
        rows = [row for _, row in there] + [row for value, row in keyed if value is None]
    return rows


def oracle(query: Query, tenant: Tenant, keep: list[Keep] | None = None) -> list[Any]:
    """What a query gives: ids of records with their annotations, or groups."""
    world = World(tenant, query.zone)
    if query.groups is not None:
        return [plain_row(row) for row in groups(query, world, keep)]
    return [
        (row["_id"], plain_row({name: worth(expr, row, world) for name, expr in query.annotations}))
        for row in chosen(query, world, keep)
    ]


def plain_row(row: Row) -> Row:
    return {name: plain(value) for name, value in row.items()}


def groups(query: Query, world: World, keep: list[Keep] | None) -> list[Row]:
    records_query = query.changed(order=(), start=0, stop=None, distinct=())
    found: dict[Any, tuple[list[Any], list[Row]]] = {}
    if not query.groups:
        found[()] = ([], [])
    for row in chosen(records_query, world, keep):
        for key in product(*(keys_of(expr, row, world) for _, expr in query.groups or ())):
            found.setdefault(tuple(map(rank, key)), (list(key), []))[1].append(row)
    result = []
    for values, rows in sorted(found.values(), key=lambda group: [(value is None, rank(value)) for value in group[0]]):
        known = dict(zip((expr for _, expr in query.groups or ()), values, strict=True))
        for item in all_figures(query):
            known[item] = figure(item, rows, world)
        result.append(World(world.tenant, world.zone, known))
    result = [group for group in result if holds(query.having, {}, group)]
    result = in_order(result, query, lambda expr, group: worth(expr, {}, group))[query.start : query.stop]
    named = (*(query.groups or ()), *query.annotations)
    return [{name: worth(expr, {}, group) for name, expr in named} for group in result]


def keys_of(expr: Expr, row: Row, world: World) -> list[Any]:
    if not isinstance(expr, Item):
        return [worth(expr, row, world)]
    raw = raw_at(row, expr.of.keys)
    if expr.of.kind.name == "refs" and isinstance(raw, list):
        raw = bare(raw)
    found = [value_of("any", entry) for entry in scalars(raw)]
    if expr.kind.name == "ref":
        found = [entry for entry in found if isinstance(entry, str)]
    return list({rank(entry): entry for entry in found}.values()) or [None]


def all_figures(query: Query) -> Iterator[Figure]:
    def inside(expr: Any) -> Iterator[Figure]:
        match expr:
            case Figure():
                yield expr
            case Arithmetic(_, left, right):
                yield from inside(left)
                yield from inside(right)
            case Coalesce(values):
                for value in values:
                    yield from inside(value)
            case Case(branches, default):
                for where, then in branches:
                    yield from of_node(where)
                    yield from inside(then)
                yield from inside(default)
            case Part(_, of) | Trunc(_, of):
                yield from inside(of)

    def of_node(node: Node) -> Iterator[Figure]:
        match node:
            case All(children) | Either(children):
                for child in children:
                    yield from of_node(child)
            case Not(child):
                yield from of_node(child)
            case Leaf(target, _, value):
                yield from inside(target)
                yield from inside(value)

    for _, expr in query.annotations:
        yield from inside(expr)
    for expr, _ in query.order:
        yield from inside(expr)
    yield from of_node(query.having)
