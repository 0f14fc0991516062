"""The worker of a receiver: waits until it is quiet, reads again what was spoken of, and calls the handlers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..mirror.inbox import MOST_TRIES, Inbox, PendingRecord
from .counts import Counts
from .handlers import Delivery, Handler
from .pace import Pace
from .pulling import IDS_IN_A_LIST, Pulled, pull

if TYPE_CHECKING:
    from ..client.planhat import Planhat

logger = logging.getLogger("planhat_orm")
LONGEST_QUIET = 1.0
"""Seconds after which records are read again although more is coming."""
_LOOK = 1.0
"""Seconds between looks at what waits for its time, or was left by another process."""


class Worker:
    """One loop's work on the inbox. Of several, in any process, one at a time works."""

    def __init__(
        self, planhat: Planhat, handlers: Sequence[Handler], counts: Counts, *, quiet: float, trust: bool
    ) -> None:
        self._planhat = planhat
        self._handlers = handlers
        self._counts = counts
        self._quiet = quiet
        self._trust = trust
        self._clock = planhat._session.clock
        self._pace = Pace(planhat.calls_per_min, self._clock.now)
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._told: set[str] = set()
        self._is_prepared = False

    @property
    def inbox(self) -> Inbox:
        """The inbox, opened at first use."""
        return self._planhat.mirror.inbox

    def start(self) -> None:
        """Begin to work, beside whatever the loop does."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    def wake(self) -> None:
        """Say that something arrived."""
        self._arrived.set()

    async def close(self) -> None:
        """Stop working."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def drain(self) -> None:
        """Work until nothing is due."""
        while await self._round():
            pass

    async def _work(self) -> None:
        while True:
            try:
                while await self._round():
                    pass
            except Exception as error:
                # Nothing is lost: it is on disk, and tried again.
                logger.error("Work on the inbox failed and goes on: %s.", type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), _LOOK)
                await self._until_quiet()

    async def _until_quiet(self) -> None:
        began = self._clock.now()
        while self._arrived.is_set() and self._clock.now() - began < LONGEST_QUIET:
            self._arrived.clear()
            await self._clock.asleep(self._quiet)
        self._arrived.clear()

    async def _round(self) -> bool:
        """Do a part of what is due, and tell whether there may be more."""
        async with self._one_at_a_time:
            if self._is_prepared and not await asyncio.to_thread(self._has_work):
                return False
            held = await asyncio.to_thread(self.inbox.acquire)
            if held is None:
                return False
            try:
                return await self._held_round()
            finally:
                await asyncio.to_thread(self.inbox.release, held)

    async def _held_round(self) -> bool:
        delivery = Delivery(self._planhat, self.inbox, self._handlers)
        if not self._is_prepared:
            await asyncio.to_thread(delivery.prepare)
            self._is_prepared = True
        waiting = await asyncio.to_thread(self._due)
        if waiting:
            await self._clock.asleep(self._pace.wait())
            result = await self._read_again(waiting)
            await asyncio.to_thread(self._settle, result)
        delivered = await delivery.run()
        self._counts.handled += delivered.handled
        self._counts.failed += delivered.failed
        self._counts.parked += delivered.parked
        return bool(waiting or delivered.handled or delivered.failed)

    def _has_work(self) -> bool:
        """Whether to begin at all: looking writes nothing."""
        newest = self._planhat.mirror.newest_change()
        return self.inbox.has_work(self._held(), [handler.name for handler in self._handlers], newest)

    def _due(self) -> list[PendingRecord]:
        """What may be read now: of models that the mirror holds, and no more than the share of the quota allows."""
        held = self._held()
        most = max(1, self._pace.available())
        return self.inbox.due(most * (IDS_IN_A_LIST if held == ["company"] else 1), held) if held else []

    def _held(self) -> list[str]:
        held = []
        for resource in self.inbox.resources():
            if self._planhat.mirror.holds(resource):
                held.append(resource)
            elif resource not in self._told:
                self._told.add(resource)
                logger.warning("Webhooks of %s wait until it was synced: planhat sync.", resource)
        return held

    async def _read_again(self, waiting: list[PendingRecord]) -> Pulled:
        told: list[PendingRecord] = []
        hints: list[PendingRecord] = []
        for item in waiting:
            (told if self._trust and item.body and not item.deleted else hints).append(item)
        if told:
            await asyncio.to_thread(self._believe, told)
        result: Pulled = await self._planhat.arun(pull(self._planhat, hints))
        result.done += told
        return result

    def _believe(self, told: list[PendingRecord]) -> None:
        rows: dict[str, dict[str, Any]] = {}
        for item in told:
            rows.setdefault(item.resource, {})[item.record] = {"_id": item.record, **(item.body or {})}
        for resource, bodies in rows.items():
            self._planhat.mirror.pulled(resource, bodies)

    def _settle(self, result: Pulled) -> None:
        self._pace.spend(result.requests)
        self.inbox.done(result.done)
        self._counts.requests += result.requests
        self._counts.pulled += len(result.done)
        self._counts.removed += result.removed
        for item, error in result.failed:
            is_last = not result.is_outage and item.tries + 1 >= MOST_TRIES
            self.inbox.postpone([item], type(error).__name__, counted=not result.is_outage)
            self._counts.parked += is_last
            logger.warning("%s %s could not be read again: %s%s.", item.resource, item.record, type(error).__name__,
                           ", it is parked" if is_last else "")  # fmt: skip
