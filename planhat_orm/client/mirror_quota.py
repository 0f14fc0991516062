"""The quota of a client with a mirror: one for all processes that use the mirror."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..http.clock import Clock
from ..http.effects import Flow, RunBlocking
from ..http.quota import MOST_PER_MINUTE, Quota
from ..http.quota_book import Grant, Report
from ..http.shared_quota import SharedQuota
from .settings import Settings

if TYPE_CHECKING:
    from ..mirror.db.quota_store import QuotaStore


def quota_of(chosen: Settings, clock: Clock) -> Quota:
    """The count of this client, or its part of one that the processes of a mirror share.

    A quota that no second of the server's leaves room for is none that anybody could use up.
    """
    if chosen.mirror is None or chosen.calls_per_min >= MOST_PER_MINUTE:
        return Quota(chosen.calls_per_min, clock)
    return SharedQuota(chosen.calls_per_min, clock, MirrorBook(chosen.mirror, clock.speed))


def given_back(quota: Quota) -> Flow[None]:
    """Give back what is left of a shared quota: that may wait for a database."""
    yield RunBlocking(quota.give_back)


class MirrorBook:
    """The book in a mirror's database. Databases are imported when it is first asked, where there is a mirror."""

    def __init__(self, where: str, speed: float) -> None:
        self._where, self._speed = where, speed
        self._store: QuotaStore | None = None

    def ask(self, report: Report, now: Callable[[], float]) -> Grant | None:
        """Ask it; None where no mirror is yet."""
        if self._store is None:
            if "://" not in self._where and not Path(self._where).exists():
                return None
            from ..mirror.db.quota_store import QuotaStore

            self._store = QuotaStore(self._where, self._speed)
        return self._store.ask(report, now)

    def close(self) -> None:
        """Close its connections."""
        if self._store is not None:
            self._store.close()
