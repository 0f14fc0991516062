"""Handlers: functions that are called with what changed, in order for each record, at least once.

They read the mirror's changes, not the webhooks: what a sync found first reaches them too. A handler's place in the
changes is on disk and moves after it returned, so a crash repeats a call and loses none.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, FieldError
from ..mirror.db.layout import layout_of
from ..mirror.inbox import MOST_TRIES, Inbox, Retry
from ..mirror.inbox.inbox import pause
from ..mirror.reading.history import Change as Seen
from ..models.state import Origin
from ..names import did_you_mean
from .pulling import rows_of

if TYPE_CHECKING:
    from ..client.planhat import Planhat

Call = Callable[[Any, "Change"], Awaitable[None] | None]
logger = logging.getLogger("planhat_orm")


@dataclass(frozen=True, slots=True)
class Change:
    """What a handler is told beside the record.

    `fields` are the Python names of what changed (`custom.Label` for custom fields), `old` their values before. `kind`
    is created, updated, deleted, or silent (without a new stamp); `origin` is "mine" for what this library wrote. `at`
    is when it was seen. `id` is the same when the call is repeated after a crash.
    """

    id: str
    kind: str
    origin: str
    at: datetime
    fields: tuple[str, ...]
    old: Mapping[str, Any] = field(repr=False)


class Handler:
    """One function, and the changes that it is called for."""

    def __init__(self, model: type[Any], call: Call, fields: Iterable[str] | None, name: str | None) -> None:
        if isinstance(fields, str):
            raise FieldError(f"fields takes a list of names: fields=[{fields!r}].")
        self.model = model
        self.call = call
        self.table = layout_of(model).table
        self.name = name or f"{call.__module__}.{call.__qualname__}"
        self.fields = None if fields is None else frozenset(self._names(fields))
        self._is_async = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)

    def _names(self, fields: Iterable[str]) -> Iterator[str]:
        """The names under which the memory knows fields: declared custom ones by their label."""
        meta = self.model._meta
        labels = {custom.name: f"custom.{label}" for label, custom in meta.customs.items()}
        for name in fields:
            if name not in meta.fields and not name.startswith("custom."):
                raise FieldError(f"{self.model.__name__} has no field {name!r}.{did_you_mean(name, meta.fields)}")
            yield labels.get(name, name)

    def wants(self, seen: Seen) -> bool:
        """Whether a change is one that the function is called for."""
        return seen.model == self.table and (self.fields is None or bool(self.fields & seen.fields.keys()))

    async def __call__(self, record: Any, change: Change) -> None:
        """Call the function: a plain one in a thread, so that it does not hold others up."""
        if self._is_async:
            await self.call(record, change)  # type: ignore[misc]
            return
        answer: Any = await asyncio.to_thread(self.call, record, change)
        if inspect.isawaitable(answer):
            await answer


@dataclass(slots=True)
class Delivered:
    """What a round of calls came to."""

    handled: int = 0
    failed: int = 0
    parked: int = 0


class Delivery:
    """Calls the handlers of a receiver for what is new in the mirror."""

    def __init__(self, planhat: Planhat, inbox: Inbox, handlers: Iterable[Handler]) -> None:
        self._planhat = planhat
        self._inbox = inbox
        self._handlers = list(handlers)
        self._feeds: dict[str, str] = {}

    def prepare(self) -> None:
        """Give each new handler its place: it is called for what changes from now on."""
        newest = self._planhat.mirror.newest_change()
        for handler in self._handlers:
            self._feeds[handler.name], _ = self._inbox.place(handler.name, newest)

    async def run(self) -> Delivered:
        """Call every handler for the changes it has not had yet, and for those it failed on whose time has come."""
        result = Delivered()
        for handler in self._handlers:
            await self._handler(handler, result)
        return result

    async def _handler(self, handler: Handler, result: Delivered) -> None:
        newest = await asyncio.to_thread(self._planhat.mirror.newest_change)
        self._feeds[handler.name], seq = await asyncio.to_thread(self._inbox.place, handler.name, newest)
        again = await asyncio.to_thread(self._inbox.retries, handler.name)
        start = min([seq, *(item.seq - 1 for item in again)])
        if start >= newest:
            return
        changes = await asyncio.to_thread(lambda: self._planhat.mirror.changes(after=start, models=[handler.table]))
        rows = await self._planhat.arun(rows_of(self._planhat, handler.table, {item.id for item in changes}))
        retries = {item.seq: item for item in again}
        blocked: set[str] = set()
        for seen in changes:
            retry = retries.get(seen.seq)
            if (retry is None and seen.seq <= seq) or not handler.wants(seen):
                continue
            record = self._record(handler, seen, rows)
            if record is not None:
                await self._one(handler, seen, record, retry, blocked, result)
            if retry is None:
                await asyncio.to_thread(self._inbox.advance, handler.name, seen.seq)
        await asyncio.to_thread(self._inbox.advance, handler.name, max(seq, newest))

    async def _one(
        self, handler: Handler, seen: Seen, record: Any, retry: Retry | None, blocked: set[str], result: Delivered
    ) -> None:
        tries = 0 if retry is None else retry.tries
        if seen.id in blocked or (retry is not None and retry.not_before > time.time()):
            blocked.add(seen.id)
            if retry is None:
                await self._keep(handler, Retry(seen.seq, seen.id, 0, 0.0), "waits for an earlier change")
            return
        try:
            await handler(record, self._change(handler, seen))
        except Exception as error:
            tries += 1
            result.failed += 1
            result.parked += tries >= MOST_TRIES
            blocked.add(seen.id)
            # What it says may quote the record, so only its kind is told.
            logger.warning("The handler %s failed on a change of %s %s: %s, try %d of %d%s.", handler.name, seen.model,
                           seen.id, type(error).__name__, tries, MOST_TRIES,
                           "; it is parked" if tries >= MOST_TRIES else "")  # fmt: skip
            later = Retry(seen.seq, seen.id, tries, time.time() + pause(tries))
            await self._keep(handler, later, type(error).__name__)
            return
        result.handled += 1
        if retry is not None:
            await asyncio.to_thread(self._inbox.forget, handler.name, seen.seq)

    async def _keep(self, handler: Handler, retry: Retry, error: str) -> None:
        await asyncio.to_thread(self._inbox.keep, handler.name, retry, error)

    def _change(self, handler: Handler, seen: Seen) -> Change:
        old = {name: _loaded(handler.model, name, pair[0]) for name, pair in seen.fields.items()}
        id = f"{self._feeds[handler.name]}:{seen.seq}"
        return Change(id, seen.kind, seen.origin, seen.at, tuple(seen.fields), old)

    def _record(self, handler: Handler, seen: Seen, rows: Mapping[str, dict[str, Any]]) -> Any:
        """The record as it is, or as it last was; None for one of another model in the same table."""
        row = rows.get(seen.id) or _last(handler.model, seen)
        if any(row.get(wire) != value for wire, value in handler.model._meta.resource.implied.items()):
            return None
        return handler.model.from_wire(row, Origin(self._planhat, "mirror"))


def check_memory(planhat: Planhat) -> None:
    """Raise `ConfigurationError` for a client whose mirror remembers no changes: handlers live on them."""
    if not planhat.settings.history:
        raise ConfigurationError("Handlers are called for what the mirror saw change: leave history on.")


def _loaded(model: type[Any], name: str, value: Any) -> Any:
    field = model._meta.fields.get(name)
    if field is None and name.startswith("custom."):
        field = model._meta.customs.get(name.removeprefix("custom."))
    return value if field is None else field.kind.load(value)


def _last(model: type[Any], seen: Seen) -> dict[str, Any]:
    """A deleted record, put together of what its deletion took away."""
    row: dict[str, Any] = {"_id": seen.id}
    for name, (old, _) in seen.fields.items():
        if name.startswith("custom."):
            row.setdefault("custom", {})[name.removeprefix("custom.")] = old
        else:
            field = model._meta.fields.get(name)
            row[field.wire if field is not None else name] = old
    return row
