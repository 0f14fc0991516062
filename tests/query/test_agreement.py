"""The same query, the same rows: the API's reading, Python's and the mirror's agree with an oracle, ids and order.

At least 5,000 generated queries; the whole of `mutants.py` shows that each lookup is held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from planhat_orm.query.lookups import LOOKUPS
from planhat_orm.query.query import Query
from planhat_orm.query.tree import (
    Arithmetic,
    Case,
    Coalesce,
    Constant,
    Figure,
    InQuery,
    Item,
    Node,
    Part,
    Related,
    Target,
    Trunc,
)
from planhat_orm.query.tree import Test as Leaf
from planhat_orm.query.walk import leaves_in, parts_of
from tests.scale import sized

from .generated import QUERIES_PER_TENANT, asked, disagreements
from .oracle import oracle, records
from .readings import Emulated, Mirrored, by_api, by_python

# The generated queries make labels up.
pytestmark = pytest.mark.filterwarnings("ignore::planhat_orm.errors.UnknownNameWarning")

TENANTS = sized(18, 2000)
SERVED = sized(2, 126)
"""Tenants that are asked of an emulator, over a socket."""
PARTS = 6


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    made = Mirrored(tmp_path_factory.mktemp("agreement") / "mirror.db")
    yield made
    made.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_all_readings_give_the_same_records_in_the_same_order(part: int, mirrored: Mirrored) -> None:
    share = TENANTS // PARTS
    assert sized(700, 5000) <= TENANTS * QUERIES_PER_TENANT
    seeds = range(part * share, (part + 1) * share)
    found = next(disagreements(seeds, {"API": by_api, "Python": by_python, "mirror": mirrored}), None)
    assert found is None, str(found)


def test_an_emulator_gives_the_same_over_real_requests() -> None:
    emulated = Emulated()
    try:
        found = next(disagreements(range(TENANTS, TENANTS + SERVED), {"emulator": emulated}), None)
    finally:
        emulated.close()
    assert found is None, str(found)


def leaves_with_depth(node: Node, depth: int = 0) -> Iterator[tuple[Leaf, int]]:
    for leaf in leaves_in(node):
        if isinstance(leaf, Leaf):
            yield leaf, depth
        elif isinstance(leaf, Related):
            yield from leaves_with_depth(leaf.where, depth + 1)


def test_the_generated_queries_ask_for_everything() -> None:
    ops: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    hops: Counter[int] = Counter()
    shapes: Counter[type] = Counter()
    kinds_of_query: Counter[str] = Counter()
    for seed in range(min(TENANTS, 40)):
        tenant, queries = asked(seed)
        for ask, query in queries:
            for leaf, depth in leaves_with_depth(query.where):
                ops[leaf.target.part if isinstance(leaf.target, Part) else leaf.op] += 1
                hops[depth] += 1
            shapes.update(type(part) for part in parts_of((query.where, query.annotations, query.groups, query.having)))
            kinds_of_query.update(what for what, is_so in traits(query).items() if is_so)
            if query.groups is None:
                count = len(oracle(query, tenant, ask.keep))
                every = len(records(tenant, query.resource))
                hits["none" if not count else "all" if count == every else "some"] += 1
    assert ops.keys() == LOOKUPS
    assert min(ops.values()) >= 10, ops
    assert set(hops) >= {0, 1, 2}
    assert min(hits[name] for name in ("none", "some", "all")) >= 0.15 * hits.total(), hits
    wanted = (Target, Constant, Arithmetic, Part, Trunc, Coalesce, Case, Figure, Item, Related, InQuery)
    assert min(shapes[shape] for shape in wanted) >= 10, shapes
    assert min(kinds_of_query.values()) >= 10 and len(kinds_of_query) == len(traits(Query("company"))), kinds_of_query


def traits(query: Query) -> dict[str, bool]:
    """What may be special about a query."""
    figures = [part for part in parts_of((query.annotations, query.having)) if isinstance(part, Figure)]
    return {
        "annotated": bool(query.annotations) and query.groups is None,
        "grouped": bool(query.groups),
        "all in one group": query.groups == (),
        "with conditions on groups": query.groups is not None and query.having != Query("company").having,
        "groups in an order": query.groups is not None and bool(query.order),
        "some of the groups": query.groups is not None and query.is_sliced,
        "the first of each": bool(query.distinct),
        "figures over relations": any(figure.hops for figure in figures),
        "figures over relations of groups": query.groups is not None and any(figure.hops for figure in figures),
        "figures with conditions": any(figure.where != Figure("count").where for figure in figures),
        "figures of different values": any(figure.distinct for figure in figures),
        "figures with a default": any(figure.default is not None for figure in figures),
        "in another zone": query.zone != "UTC",
    }
