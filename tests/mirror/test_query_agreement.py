"""The generated queries of tests/query, asked of a mirror in PostgreSQL: the same records in the same order.

`make torture` asks as many as are asked of SQLite in the normal run.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.query.generated import QUERIES_PER_TENANT, disagreements
from tests.query.readings import Mirrored, by_api, by_python
from tests.scale import sized

TENANTS = sized(3, 126)


def test_api_sql_and_python_agree_on_postgresql(postgres: Callable[[], str]) -> None:
    assert (sized(100, 5000)) <= TENANTS * QUERIES_PER_TENANT
    mirrored = Mirrored(postgres())
    try:
        readings = {"API": by_api, "Python": by_python, "PostgreSQL": mirrored}
        found = next(disagreements(range(5000, 5000 + TENANTS), readings), None)  # type: ignore[arg-type]
    finally:
        mirrored.close()
    assert found is None, str(found)
