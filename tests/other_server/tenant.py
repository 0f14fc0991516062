"""An account with its data, and what all accounts of a server share."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.other_server.behaviour import Behaviour
from tests.other_server.clock import ObjectIds, ServerClock, iso
from tests.other_server.models import collection
from tests.other_server.store import Collection, Record

PAST = 10.0  # seconds of the past that are kept at least, so that lists can begin to lag at any time


@dataclass(frozen=True)
class Account:
    """Who a token belongs to, and which resources (by name) it lacks, may not see, or may not write."""

    name: str
    tenant_token: str
    missing: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()


class Host:
    """What all accounts share: behaviour, clock, chance, ids."""

    def __init__(self, behaviour: Behaviour, clock: ServerClock) -> None:
        self.behaviour = behaviour
        self.clock = clock
        self.rng = random.Random(behaviour.seed)
        self.ids = ObjectIds()

    def new_id(self) -> str:
        return self.ids.make(self.clock.now() + self.behaviour.id_offset)

    def stamp(self) -> str:
        return iso(self.clock.now() + self.behaviour.stamp_offset)


@dataclass
class Tenant:
    """The data of one account: collections by name, activities, calls of the running minute."""

    account: Account
    host: Host
    activities: list[Record] = field(default_factory=list)
    segment_events: list[Record] = field(default_factory=list)
    calls: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    last_invoice: int = 0
    outdated: set[Any] = field(default_factory=set)
    refusals: dict[str, list[Callable[[Record], str | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._collections: dict[str, Collection] = {}

    @property
    def behaviour(self) -> Behaviour:
        return self.host.behaviour

    def of(self, name: str) -> Collection:
        """Return the collection where a resource's records are."""
        name = collection(name)
        if name not in self._collections:
            self._collections[name] = Collection(self.host.clock.now, lambda: max(self.behaviour.lag, PAST))
        return self._collections[name]

    def company(self, company_id: object) -> dict[str, Any]:
        """Return the company of an id, empty where there is none."""
        row = self.of("company").get(company_id) if company_id else None
        return (row.record if row else None) or {}

    def company_by_domain(self, domains: list[str]) -> str | None:
        """Return the id of the company that has one of these domains."""
        wanted = {domain.lower() for domain in domains}
        records = self.of("company").records()
        return next(
            (record["_id"] for record in records if wanted & {str(d).lower() for d in record.get("domains") or ()}),
            None,
        )
