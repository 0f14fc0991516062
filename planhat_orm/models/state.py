"""What a record remembers beside its two dicts: where it came from, and with whom."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from datetime import datetime
from typing import Any


class Origin:
    """Shared by all records of one fetch: the client and source, the fields asked for, and the peers.

    Peers are held weakly: a page must not stay in memory because one of its records does.
    """

    __slots__ = (
        "_peers", "asked", "client", "deleted", "prefetched", "related", "selected", "source", "synced_at", "waiting",
        "whole",
    )  # fmt: skip

    def __init__(
        self,
        client: weakref.ref[Any] | None = None,
        source: str | None = None,
        selected: frozenset[str] | None = None,
        synced_at: datetime | None = None,
    ) -> None:
        self.client = client
        self.source = source
        self.selected = selected
        self.synced_at = synced_at
        self.deleted = False
        self.related: dict[str, dict[str, Any]] = {}
        self.prefetched: dict[str, dict[str, list[Any]]] = {}
        self.whole: dict[str, list[Any]] = {}
        self.waiting: dict[str, dict[str, list[Any]]] = {}
        self.asked: dict[str, set[str]] = {}
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
        other = Origin(self.client, self.source, self.selected, self.synced_at)
        other.related, other.whole = self.related, self.whole
        other.deleted = deleted
        return other
