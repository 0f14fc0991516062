"""Generated queries, asked of generated tenants in every reading, beside the oracle that says what they mean.

Everything follows from a seed, so a failure is repeated by its seed alone, and `mutants.py` can ask how soon a
broken lookup shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from planhat_orm.query.moments import zone_name
from planhat_orm.query.query import Query
from planhat_orm.query.settle import settled

from .asking import NOW, ZONES, Ask, Asker
from .oracle import oracle
from .readings import Emulated, Mirrored
from .tenants import Dice, Row, Tenant

Reading = Callable[[Query, Tenant], list[Any]]


@dataclass(frozen=True)
class Disagreement:
    """A query that two readings answer differently."""

    seed: int
    reading: str
    queryset: str
    expected: list[Any]
    found: list[Any] | str
    rows: list[Row]

    def __str__(self) -> str:
        rows = "\n".join(f"    {row}" for row in self.rows)
        return (
            f"seed {self.seed}: the {self.reading} reading of\n  {self.queryset}\n"
            f"gives {self.found}\ninstead of {self.expected}; they differ by\n{rows}"
        )


QUERIES_PER_TENANT = 40


def asked(seed: int) -> tuple[Tenant, Iterator[tuple[Ask, Query]]]:
    """The tenant of a seed, and the queries that are asked of it."""
    dice = Dice(seed)
    tenant = dice.tenant()
    asker = Asker(dice, tenant)

    def queries() -> Iterator[tuple[Ask, Query]]:
        for _ in range(QUERIES_PER_TENANT):
            ask = asker.ask()
            yield ask, settled(ask.queryset._query, NOW, zone_name(dice.choice(ZONES)))

    return tenant, queries()


def disagreements(seeds: range, readings: dict[str, Reading]) -> Iterator[Disagreement]:
    """Ask `QUERIES_PER_TENANT` queries of the tenant of each seed in every reading."""
    for seed in seeds:
        tenant, queries = asked(seed)
        for reading in readings.values():
            if isinstance(reading, (Mirrored, Emulated)):
                reading.fill(tenant)
        for ask, query in queries:
            expected = oracle(query, tenant, ask.keep)
            for name, reading in readings.items():
                try:
                    found: list[Any] | str = reading(query, tenant)
                except Exception as error:
                    found = f"{type(error).__name__}: {error}"
                if found != expected:
                    yield Disagreement(
                        seed, name, shown(ask, query), expected, found, differing(query, tenant, expected, found)
                    )


def shown(ask: Ask, query: Query) -> str:
    """A query with its values and their meaning."""
    values = [f"{name} = {expr.name}" for name, expr in (*(query.groups or ()), *query.annotations)]
    return "\n  ".join([repr(ask.queryset), *values, f"in {query.zone}"])


def differing(query: Query, tenant: Tenant, expected: list[Any], found: list[Any] | str) -> list[Row]:
    """Some records on which two answers differ."""
    home = "conversation" if query.resource == "note" else query.resource
    if query.groups is not None or not isinstance(found, list):
        return []
    ids = {id for id, _ in expected} ^ {id for id, _ in found} or {
        id for id, values in expected if (id, values) not in found
    }
    return [row for row in tenant[home] if row["_id"] in ids][:3]
