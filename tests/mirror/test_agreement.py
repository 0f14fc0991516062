"""One query, one answer: SQL and the Python predicate agree on generated trees over generated records."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, false, func, select

from planhat_orm.errors import ValidationError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import state, tables
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Store
from planhat_orm.mirror.reading.joins import Joins
from planhat_orm.query import kinds
from planhat_orm.query.dates import PARTS
from planhat_orm.query.kinds import ANY, LIST, OBJECT, Kind
from planhat_orm.query.lookups import LEGAL, operand
from planhat_orm.query.predicate import ordered, predicate
from planhat_orm.query.query import Query
from planhat_orm.query.raw_values import fetch
from planhat_orm.query.tree import All, Figure, Hop, Node, Not, Part, Related, Target
from planhat_orm.query.tree import Any as Or
from planhat_orm.query.tree import Test as Leaf
from tests.scale import LONG, sized

from .conftest import Runner

Row = dict[str, Any]
NAMES = ("company", "license", "issue", "user")
IDS = ("a1", "a2", "A2", "b%", "ß_")

texts = st.text(alphabet='aAbBßİ\u0131%_"\\', max_size=3)
odd_texts = st.sampled_from(
    ["5", "05", "-7", "1.5", "1e3", "2026-01-31", "2026-01-31T10:00:00.000Z", "31 Jan 2026 10:00"]
)
numbers = st.integers(-3, 8) | st.sampled_from([0.5, 2.5, -1.5, 1e20, 2**53 + 1, 20500, 1770000000000])
scalars = st.none() | st.booleans() | numbers | texts | odd_texts
json = st.recursive(
    scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(texts, one, max_size=2), max_leaves=4
)
moments = st.datetimes(datetime(2025, 12, 30), datetime(2026, 2, 3), timezones=st.just(UTC)).map(kinds.iso)

LABELS = {
    "Tier": kinds.TEXT, "Seats": kinds.NUMBER, "Renewed at": kinds.DATETIME, "Next day": kinds.DAY,
    "Pilot": kinds.BOOLEAN, "Goals": kinds.LIST, "Box": kinds.OBJECT, "Thing": kinds.ANY, 'odd "label"\\': kinds.TEXT,
}  # fmt: skip
TOP = {
    "name": kinds.TEXT, "externalId": kinds.TEXT, "owner": kinds.REF, "mrr": kinds.NUMBER, "h": kinds.INTEGER,
    "arr": kinds.NUMBER, "autoRenews": kinds.BOOLEAN, "orgIndependent": kinds.BOOLEAN, "renewalDate": kinds.DATETIME,
    "lastUpdated": kinds.DATETIME, "tags": kinds.LIST, "usage": kinds.OBJECT, "_id": kinds.ID, "shoeSize": kinds.NUMBER,
}  # fmt: skip


def values(kind: Kind) -> st.SearchStrategy[Any]:
    """Mostly what the field holds, now and then anything."""
    usual: dict[Kind, st.SearchStrategy[Any]] = {
        kinds.TEXT: texts, kinds.ID: texts, kinds.REF: st.sampled_from(IDS) | st.just({"_id": "a1", "nickName": "b"}),
        kinds.NUMBER: numbers, kinds.INTEGER: numbers, kinds.BOOLEAN: st.booleans(), kinds.DATETIME: moments,
        kinds.DAY: st.integers(20450, 20500), LIST: st.lists(scalars, max_size=3), OBJECT: json, ANY: json,
    }  # fmt: skip
    return st.none() | usual[kind] | usual[kind] | scalars | json


def dicts(fields: dict[str, Kind], **more: Any) -> st.SearchStrategy[Row]:
    chosen = {key: values(kind) for key, kind in fields.items() if key != "_id"}
    return st.fixed_dictionaries({}, optional={**chosen, **more})


customs = dicts(LABELS)
ids = st.lists(st.sampled_from(IDS), unique=True, max_size=4)


def table(rows: st.SearchStrategy[Row]) -> st.SearchStrategy[list[Row]]:
    return ids.flatmap(
        lambda chosen: st.tuples(*(rows.map(lambda row, id=id: {"_id": id, **row}) for id in chosen))  # type: ignore[misc]
    ).map(list)


tenants = st.fixed_dictionaries(
    {
        "company": table(dicts(TOP, custom=customs | json)),
        "license": table(dicts({"companyId": kinds.REF, "value": kinds.NUMBER})),
        "issue": table(
            dicts({"title": kinds.TEXT}, companyIds=st.lists(st.sampled_from(IDS) | scalars, max_size=3) | json)
        ),
        "user": table(dicts({"email": kinds.TEXT, "isHidden": kinds.BOOLEAN})),
    }
)

FORWARD = Hop("user", "owner", "_id")
REVERSE = Hop("license", "_id", "companyId")
LISTED = Hop("issue", "_id", "companyIds", many_far=True)
FROM_LIST = Hop("company", "companyIds", "_id", many_near=True)
LEAVES: list[tuple[tuple[Hop, ...], tuple[str, ...], Kind]] = [
    *(((), (wire,), kind) for wire, kind in TOP.items()),
    *(((), ("custom", label), kind) for label, kind in LABELS.items()),
    *(((), ("custom", label), ANY) for label in LABELS),
    ((), ("custom",), OBJECT),
    ((FORWARD,), ("email",), kinds.TEXT),
    ((FORWARD,), ("isHidden",), kinds.BOOLEAN),
    ((REVERSE,), ("value",), kinds.NUMBER),
    ((REVERSE,), ("_id",), kinds.ID),
    ((LISTED,), ("title",), kinds.TEXT),
    ((LISTED, FROM_LIST), ("name",), kinds.TEXT),
    ((LISTED, FROM_LIST, FORWARD), ("email",), kinds.TEXT),
]


@st.composite
def leaves(draw: Any) -> Node:
    hops, keys, kind = draw(st.sampled_from(LEAVES))
    target = Target(".".join(keys), keys, kind)
    op = draw(st.sampled_from(sorted(LEGAL[kind])))
    if not hops and op in ("exact", "gt", "gte", "lt", "lte") and draw(st.integers(0, 4)) == 0:
        _, other, other_kind = draw(st.sampled_from([leaf for leaf in LEAVES if not leaf[0]]))
        return Leaf(target, op, Target(".".join(other), other, other_kind))
    found = draw(operands(kind, op))
    node: Node = Leaf(Part(op, target), "exact", found) if op in PARTS else Leaf(target, op, found)
    for hop in reversed(hops):
        node = Related("x", hop, node)
    return node


def operands(kind: Kind, op: str) -> st.SearchStrategy[Any]:
    if op == "isnull":
        return st.booleans()
    if op == "date":
        return st.sampled_from([20484, 20454])
    if op in PARTS:
        return st.sampled_from([2026.0, 2025.0, 1.0, 12.0, 31.0, 7.0, 10.0, 0.0])
    if op in ("regex", "iregex"):
        return st.sampled_from(["a", "^A", "ß", "[ab]$", "\\d", "i", "%", "^.$"])
    if kind in (LIST, ANY):
        single = texts | odd_texts | st.integers(-3, 8) | st.booleans() | st.just(0.5)
    elif kind in (kinds.NUMBER, kinds.INTEGER):
        single = st.integers(-3, 8) | st.sampled_from([0.5, 1e20, float(2**53), 20500])
    elif kind is kinds.BOOLEAN:
        single = st.booleans()
    elif kind is kinds.DATETIME:
        single = moments
    elif kind is kinds.DAY:
        single = st.dates(date(2025, 12, 28), date(2026, 2, 2))  # type: ignore[assignment]
    else:
        single = texts | odd_texts | st.sampled_from(IDS)
    if kind is ANY and op in ("iexact", "icontains", "startswith", "istartswith", "endswith", "iendswith"):
        single = texts
    if op in ("in", "overlap"):
        single = st.lists(single, max_size=3)  # type: ignore[assignment]
    if op == "range":
        single = st.tuples(single, single)  # type: ignore[assignment]
    return single.map(lambda value: operand(kind, op, value, "x"))


trees = st.recursive(
    leaves(),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts)))
        | st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=5,
)


def truth(node: Node, tenant: dict[str, list[Row]]) -> Callable[[Row], bool]:
    """The tree read in Python, relations followed by looking at every record."""
    match node:
        case All(children):
            return lambda row: all(truth(child, tenant)(row) for child in children)
        case Or(children):
            return lambda row: any(truth(child, tenant)(row) for child in children)
        case Not(child):
            return lambda row: not truth(child, tenant)(row)
        case Related(_, hop, where):
            inner = truth(where, tenant)
            return lambda row: any(_linked(hop, row, far) and inner(far) for far in tenant[hop.resource])
        case _:
            return predicate(node)


def _linked(hop: Hop, near: Row, far: Row) -> bool:
    def side(row: Row, wire: str, many: bool, resource: str) -> set[str]:
        raw = row.get(wire)
        if many:
            return {value for value in raw if isinstance(value, str)} if isinstance(raw, list) else set()
        value = layout_for(resource).by_wire[wire].kind.comparable(raw)
        return set() if value is None else {value}

    near_of = (
        next(name for name in NAMES if hop.near in layout_for(name).by_wire and (hop.near != "_id"))
        if hop.near != "_id"
        else "company"
    )
    return bool(side(near, hop.near, hop.many_near, near_of) & side(far, hop.far, hop.many_far, hop.resource))


@pytest.fixture(scope="module")
def in_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    with Mirror(tmp_path_factory.mktemp("agreement") / "mirror.db") as mirror:
        yield mirror


@pytest.fixture(scope="module")
def in_postgres(postgres: Callable[[], str]) -> Iterator[Mirror]:
    with Mirror(postgres()) as mirror:
        yield mirror


def fill(mirror: Mirror, tenant: dict[str, list[Row]]) -> None:
    with mirror.database.writing() as connection:
        for name in NAMES:
            connection.execute(delete(tables.records(layout_for(name))))
            Store(connection, layout_for(name), postgres=mirror.database.postgres).put(tenant.get(name, []))
            state.save(connection, state.State(name, complete=True))


def examples(count: int) -> Any:
    """So many examples, fifty times as many for who has the time (`make torture`)."""
    return settings(max_examples=count * sized(1, 50), deadline=None, suppress_health_check=list(HealthCheck))


ORDERS = [leaf for leaf in LEAVES if not leaf[0] and leaf[2] not in (LIST, OBJECT, ANY)]
ADDED = [leaf for leaf in ORDERS if leaf[2] in (kinds.NUMBER, kinds.INTEGER, kinds.TEXT, kinds.DATETIME)]

MRR, TAGS = Target("mrr", ("mrr",), kinds.NUMBER), Target("tags", ("tags",), kinds.LIST)
conditions = given(tenants, st.lists(trees, min_size=1, max_size=6))
sortings = given(
    table(dicts(TOP, custom=customs)),
    st.lists(st.tuples(st.sampled_from(ORDERS), st.booleans()), max_size=2),
    st.integers(0, 3),
    st.none() | st.integers(0, 3),
)
additions = given(table(dicts(TOP, custom=customs)), st.sampled_from(ADDED), st.sampled_from(ORDERS))


def choose(mirror: Mirror, tenant: dict[str, list[Row]], nodes: list[Node]) -> None:
    tenant = {name: tenant.get(name, []) for name in NAMES}
    fill(mirror, tenant)
    run = Runner()
    for node in nodes:
        expected = {row["_id"] for row in tenant["company"] if truth(node, tenant)(row)}
        rows = run.rows(mirror.source.pages(Query("company", where=node)))
        assert {row["_id"] for row in rows} == expected, node
        assert run(mirror.source.count(Query("company", where=node))) == len(expected)


def sort(mirror: Mirror, rows: list[Row], order: list[tuple[Any, bool]], start: int, length: int | None) -> None:
    fill(mirror, {"company": rows})
    pairs = tuple((Target("x", keys, kind), descending) for (_, keys, kind), descending in order)
    query = Query("company", order=pairs).sliced(start, None if length is None else start + length)
    expected = ordered(rows, pairs)[start : None if length is None else start + length]
    run = Runner()
    assert run.rows(mirror.source.pages(query)) == expected
    assert run(mirror.source.count(query)) == len(expected)


def add_up(mirror: Mirror, rows: list[Row], leaf: Any, grouped: Any) -> None:
    fill(mirror, {"company": rows})
    target, group = (Target(name, keys, kind) for name, (_, keys, kind) in (("x", leaf), ("g", grouped)))
    functions = ["count", "min", "max", *(["sum", "avg"] if target.kind in (kinds.NUMBER, kinds.INTEGER) else [])]
    wanted = tuple((function, Figure(function, target)) for function in functions)
    run = Runner()
    [found] = run.rows(mirror.source.pages(Query("company", groups=(), annotations=wanted)))
    check_figures(found, rows, target)
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(group.kind.comparable(fetch(row, group.keys)), []).append(row)
    results = run.rows(mirror.source.pages(Query("company", groups=(("g", group),), annotations=wanted)))
    assert {result["g"] for result in results} == groups.keys() and len(results) == len(groups)
    for result in results:
        check_figures(result, groups[result["g"]], target)


def check_figures(found: Row, rows: list[Row], target: Target) -> None:
    present = [value for row in rows if (value := target.kind.comparable(fetch(row, target.keys))) is not None]
    assert found["count"] == sum(fetch(row, target.keys) is not None for row in rows)
    assert (found["min"], found["max"]) == ((min(present), max(present)) if present else (None, None))
    if "sum" in found:
        assert found["sum"] == (pytest.approx(sum(present)) if present else None)
        assert found["avg"] == (pytest.approx(sum(present) / len(present)) if present else None)


VALUES: list[Any] = [
    None, "", "a", "A", "ab", "aB", "b", "%", "_", "a%b", "ß", "SS", "ss", "İ", "i", "\u0131",
    "z", "é", "5", "05", "-7",
    "1.5", "1e3", "true", '"', "\\", "2026-01-31", "2026-01-31T10:00:00.000Z", "2026-01-31T11:00:00+01:00", "a1",
    "2025-12-31T23:59:59.999Z", "31 Jan 2026 10:00", "2026-02-31T00:00:00.000Z", True, False, 0, 1, 5, -7, 1.5, 2**53,
    2**53 + 1, 1e20, 20484, 20500, 1769853600000, [], ["a"], ["A", 1], [True], [1], [1.5, "b"], ["5", ["a"]], [None],
    {}, {"_id": "a1"}, {"id": "b"}, {"a": 1}, {"true": True},
]  # fmt: skip
OPERANDS: list[Any] = [
    "", "a", "A", "aB", "%", "_", "ß", "ss", "SS", "i", "İ", "5", "05", "-7", "1.5", '"', "\\", "a1", "z",
    True, False, 0, 1, 5, -7, 1.5, 2**53, 1e20, 20484, 2026, 1, 31, 10, 7, date(2026, 1, 31),
    datetime(2026, 1, 31, 10, tzinfo=UTC), datetime(2025, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
]  # fmt: skip


def leaf_of(target: Target, op: str, value: Any) -> Leaf:
    """The test of a lookup, or of a part of a date."""
    if op not in PARTS:
        return Leaf(target, op, operand(target.kind, op, value, "x"))
    part = Part(op, target)
    return Leaf(part, "exact", operand(part.kind, "exact", value, "x"))


def every_test() -> Iterator[Leaf]:
    """Every field, lookup and operand that go together, and every pair of fields."""
    flat = [leaf for leaf in LEAVES if not leaf[0]]
    for _, keys, kind in flat:
        target = Target(".".join(keys), keys, kind)
        for op in sorted(LEGAL[kind]):
            many = op in ("in", "overlap", "range")
            offered = [[item, other] for item, other in pairwise(OPERANDS)] if many else OPERANDS
            for item in offered if op not in ("regex", "iregex") else ["a", "^A", "[ab]$", "ß", "^.$"]:
                try:
                    yield leaf_of(target, op, item)
                except (ValidationError, ValueError, AttributeError):
                    continue
        for op in ("exact", "gt", "gte", "lt", "lte") if kind not in (LIST, OBJECT) else ():
            for _, other, other_kind in flat[::2]:
                if other_kind not in (LIST, OBJECT):
                    yield Leaf(target, op, Target(".".join(other), other, other_kind))


def agree_on_everything(mirror: Mirror, share: float) -> None:
    """Ask every test, or without `make torture` a share of them."""
    rows = []
    for number, raw in enumerate(VALUES):
        others = (raw, VALUES[number - 1], VALUES[number * 7 % len(VALUES)])
        row = {key: others[place % 3] for place, key in enumerate(sorted(TOP)) if key != "_id"}
        custom = {label: others[place % 3] for place, label in enumerate(sorted(LABELS))}
        rows.append({**row, "_id": f"r{number:02d}", "custom": custom})
    rows.append({"_id": "none"})
    fill(mirror, {"company": rows})
    found = list(dict.fromkeys(every_test()))
    if not LONG:
        found = random.Random(1).sample(found, int(len(found) * share))
    table = tables.records(layout_for("company"))
    with mirror.database.reading() as connection:
        reader = mirror.source._reader(connection, Query("company", hidden=True))
        joins = Joins(reader, table, layout_for("company"))
        for start in range(0, len(found), 50):
            part = found[start : start + 50]
            said = [func.coalesce(reader.where(leaf, joins), false()) for leaf in part]
            answers = {row[0]: row[1:] for row in connection.execute(select(table.c.id, *said))}
            for place, leaf in enumerate(part):
                means = predicate(leaf)
                for row in rows:
                    assert bool(answers[row["_id"]][place]) is means(row), (leaf, row)


def test_every_lookup_on_every_value_means_the_same_in_sqlite(in_sqlite: Mirror) -> None:
    agree_on_everything(in_sqlite, 0.2)


def test_every_lookup_on_every_value_means_the_same_in_postgres(in_postgres: Mirror) -> None:
    agree_on_everything(in_postgres, 0.1)


@examples(60)  # type: ignore[untyped-decorator]
@conditions
@example(
    {"company": [{"_id": "a1", "custom": {"Seats": True}}]},
    [Leaf(Target("s", ("custom", "Seats"), kinds.NUMBER), "exact", 1.0)],
)
@example(
    {"company": [{"_id": "a1", "mrr": 1.0}]},
    [Leaf(MRR, "exact", TAGS), Leaf(TAGS, "gte", MRR), Leaf(TAGS, "exact", TAGS)],
)
def test_sqlite_and_python_choose_the_same_records(
    in_sqlite: Mirror, tenant: dict[str, list[Row]], nodes: list[Node]
) -> None:
    choose(in_sqlite, tenant, nodes)


@examples(12)  # type: ignore[untyped-decorator]
@conditions
@example(
    {"company": [{"_id": "a1", "mrr": 1.0}]},
    [Leaf(MRR, "exact", TAGS), Leaf(TAGS, "gte", MRR), Leaf(TAGS, "exact", TAGS)],
)
def test_postgres_and_python_choose_the_same_records(
    in_postgres: Mirror, tenant: dict[str, list[Row]], nodes: list[Node]
) -> None:
    choose(in_postgres, tenant, nodes)


@examples(30)  # type: ignore[untyped-decorator]
@sortings
def test_sqlite_and_python_sort_and_slice_alike(
    in_sqlite: Mirror, rows: list[Row], order: list[tuple[Any, bool]], start: int, length: int | None
) -> None:
    sort(in_sqlite, rows, order, start, length)


@examples(12)  # type: ignore[untyped-decorator]
@sortings
def test_postgres_and_python_sort_and_slice_alike(
    in_postgres: Mirror, rows: list[Row], order: list[tuple[Any, bool]], start: int, length: int | None
) -> None:
    sort(in_postgres, rows, order, start, length)


@examples(25)  # type: ignore[untyped-decorator]
@additions
def test_sqlite_and_python_add_up_alike(in_sqlite: Mirror, rows: list[Row], leaf: Any, grouped: Any) -> None:
    add_up(in_sqlite, rows, leaf, grouped)


@examples(10)  # type: ignore[untyped-decorator]
@additions
def test_postgres_and_python_add_up_alike(in_postgres: Mirror, rows: list[Row], leaf: Any, grouped: Any) -> None:
    add_up(in_postgres, rows, leaf, grouped)
