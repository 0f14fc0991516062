"""The generated queries of tests/query, asked of a mirror in PostgreSQL: the same records in the same order.

`make torture` asks as many as are asked of SQLite in the normal run.
"""

from __future__ import annotations

from collections.abc import Callable

from planhat_orm.query.tree import Hop
from planhat_orm.query.walk import parts_of
from tests.query.generated import QUERIES_PER_TENANT, asked, disagreements
from tests.query.readings import Mirrored, by_api, by_python
from tests.scale import sized

TENANTS = sized(3, 126)
FIRST = 5001
"""The seed of the first. Some of its numbers are so large that `numeric` would get the last bit of a quotient wrong."""


def test_api_sql_and_python_agree_on_postgresql(postgres: Callable[[], str]) -> None:
    assert (sized(100, 5000)) <= TENANTS * QUERIES_PER_TENANT
    mirrored = Mirrored(postgres())
    try:
        readings = {"API": by_api, "Python": by_python, "PostgreSQL": mirrored}
        found = next(disagreements(range(FIRST, FIRST + TENANTS), readings), None)  # type: ignore[arg-type]
    finally:
        mirrored.close()
    assert found is None, str(found)


def test_walks_over_trees_are_among_what_is_asked() -> None:
    queries = [query for seed in range(FIRST, FIRST + 3) for _, query in asked(seed)[1]]
    parts = ((query.where, query.annotations, query.groups, query.having, query.order) for query in queries)
    assert sum(any(isinstance(part, Hop) and part.closure for part in parts_of(item)) for item in parts) >= 6
