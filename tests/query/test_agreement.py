"""The same query, the same rows: the API's reading, Python's and the mirror's agree with an oracle, ids and order.

At least 5,000 generated queries; the whole of `mutants.py` shows that each lookup is held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from planhat_orm.query.lookups import LOOKUPS
from planhat_orm.query.tree import Node, leaves_in
from planhat_orm.query.tree import Test as Leaf
from tests.scale import sized

from .generated import (
    QUERIES_PER_TENANT,
    Asker,
    Dice,
    Emulated,
    Mirrored,
    by_api,
    by_python,
    disagreements,
    oracle,
    records,
)

TENANTS = sized(126, 2000)
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
    assert TENANTS * QUERIES_PER_TENANT >= 5000
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
        else:
            yield from leaves_with_depth(leaf.where, depth + 1)


def test_the_generated_queries_ask_for_everything() -> None:
    ops: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    hops: Counter[int] = Counter()
    for seed in range(40):
        dice = Dice(seed)
        tenant = dice.tenant()
        asker = Asker(dice, tenant)
        for _ in range(QUERIES_PER_TENANT):
            query = asker.queryset()._query
            depths = [(leaf, depth) for leaf, depth in leaves_with_depth(query.where)]
            ops.update(leaf.op for leaf, _ in depths)
            hops.update(depth for _, depth in depths)
            count = len(oracle(query, tenant, asker.calls))
            hits["none" if not count else "all" if count == len(records(tenant, query.resource)) else "some"] += 1
    assert ops.keys() == LOOKUPS
    assert min(ops.values()) >= 10, ops
    assert set(hops) >= {0, 1, 2}
    assert min(hits[name] for name in ("none", "some", "all")) >= 0.15 * hits.total(), hits
