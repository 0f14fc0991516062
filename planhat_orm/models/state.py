"""What a record remembers beside its two dicts: where it came from, and with whom."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..runtime import Client
    from ..scopes.accounts import Account
    from ..scopes.chain import Scope


class Origin:
    """Shared by all records of one fetch: the client and source, the fields asked for, and the peers.

    A new record has no client until it is first written; one from a pickle has the `account` that its client must
    be of. `scope` is the innermost one of the code that read or made the records. Peers are held weakly: a page must
    not stay in memory because one of its records does.
    """

    __slots__ = (
        "_peers", "account", "aliases", "annotated", "asked", "client", "deleted", "prefetched", "related",
        "relation_lock", "scope", "selected", "source", "synced_at", "waiting", "whole",
    )  # fmt: skip

    def __init__(
        self,
        client: Client | None = None,
        source: str | None = None,
        selected: frozenset[str] | None = None,
        synced_at: datetime | None = None,
        *,
        scope: Scope | None = None,
        account: Account | None = None,
    ) -> None:
        self.client = client
        self.scope = scope
        self.account = account
        self.source = source
        self.selected = selected
        self.synced_at = synced_at
        self.deleted = False
        self.related: dict[str, dict[str, Any]] = {}
        self.prefetched: dict[str, dict[str, list[Any]]] = {}
        self.whole: dict[str, list[Any]] = {}
        self.waiting: dict[str, dict[str, list[Any]]] = {}
        self.asked: dict[str, set[str]] = {}
        self.aliases: tuple[tuple[str, Any], ...] = ()
        self.annotated: dict[str, dict[str, Any]] = {}
        self.relation_lock: Any = None
        self._peers: list[weakref.ref[Any]] = []

    def add_peers(self, records: Iterable[Any]) -> None:
        """Remember the records that came with this fetch."""
        self._peers.extend(map(weakref.ref, records))

    @property
    def size(self) -> int:
        """How many records came with this fetch."""
        return len(self._peers)

    def peers(self) -> list[Any]:
        """The records of this fetch that are still in use."""
        return [record for record in (reference() for reference in self._peers) if record is not None]

    def alone(self, *, deleted: bool = False) -> Origin:
        """The same origin for one record that parts from its peers."""
        other = Origin(self.client, self.source, self.selected, self.synced_at, scope=self.scope, account=self.account)
        other.related, other.whole = self.related, self.whole
        other.aliases, other.annotated = self.aliases, self.annotated
        other.deleted = deleted
        return other
