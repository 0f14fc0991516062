"""The generated queries of tests/query, asked of a mirror in PostgreSQL: the same records in the same order.

PLANHAT_TORTURE=1 asks as many as are asked of SQLite in the normal run.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.query.generated import QUERIES_PER_TENANT, Mirrored, by_api, by_python, disagreements

from .conftest import TORTURE

TENANTS = 126 if TORTURE else 3


def test_api_sql_and_python_agree_on_postgresql(postgres: Callable[[], str]) -> None:
    assert (5000 if TORTURE else 100) <= TENANTS * QUERIES_PER_TENANT
    mirrored = Mirrored(postgres())
    try:
        readings = {"API": by_api, "Python": by_python, "PostgreSQL": mirrored}
        found = next(disagreements(range(5000, 5000 + TENANTS), readings), None)
    finally:
        mirrored.close()
    assert found is None, str(found)
