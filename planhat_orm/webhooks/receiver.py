"""`Receiver`: an ASGI application that takes webhooks, and keeps the mirror and the handlers up to date with them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .. import arguments
from ..errors import ConfigurationError
from ..http.events import WebhookEvent, WebhookOutcome
from .bodies import Unreadable, read
from .counts import Counts
from .handlers import Call, Handler, check_memory
from .worker import Worker

if TYPE_CHECKING:
    from ..client.planhat import Planhat
    from ..mirror.inbox import Event

H = TypeVar("H", bound=Call)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

logger = logging.getLogger("planhat_orm")
MAX_BYTES = 1_000_000
_GROUPED = 0.005


class Receiver:
    """Takes the webhooks of Planhat's automations. Plain ASGI: mount it into Starlette, FastAPI or Django.

    `secret` is what the automation sends in the header called `header`; a list takes any of several, for changing it.
    `quiet` is how many seconds nothing may come before records are read again, `max_bytes` how long a body may be.
    With `trust="hint"` a body only says which record changed; with "body" what it tells is written into the mirror at
    once. The client needs a mirror that was synced; at most a quarter of its quota is used.

    What is accepted is on disk before it is answered with 202. A wrong secret is answered 401, a body too long 413,
    and 503 where nothing can be written down.

    >>> hooks = Receiver(Planhat(mirror="planhat.db"), secret="...")  # doctest: +SKIP
    >>> app.mount("/planhat", hooks)                                  # doctest: +SKIP
    """

    def __init__(
        self,
        planhat: Planhat,
        *,
        secret: str | Iterable[str],
        header: str = "X-Hook-Secret",
        max_bytes: int = MAX_BYTES,
        quiet: float = 0.2,
        trust: Literal["hint", "body"] = "hint",
    ) -> None:
        arguments.client("A receiver", planhat)
        secrets = [secret] if isinstance(secret, str) else list(arguments.many("secret", secret))
        if not secrets or not all(isinstance(text, str) and text.strip() for text in secrets):
            raise ConfigurationError("A receiver needs a secret: Receiver(planhat, secret=os.environ['HOOK_SECRET']).")
        arguments.choice("Receiver(trust=...)", trust, ("hint", "body"))
        if planhat.settings.mirror is None:
            raise ConfigurationError("A receiver keeps a mirror up to date: make the client with Planhat(mirror=...).")
        self.planhat = planhat
        self.counts = Counts()
        self.handlers: list[Handler] = []
        self._secrets = [text.encode() for text in secrets]
        self._header = header.lower().encode()
        self._max_bytes = max_bytes
        self._quiet = quiet
        self._trust = trust
        self._running: _Running | None = None

    def on(self, model: type[Any], fields: Iterable[str] | None = None, *, name: str | None = None) -> Callable[[H], H]:
        """Have a function called for the changes of a model's records, or of some fields of theirs.

        It gets the record as it is now and a `Change`; async ones run in the server's loop, others in a thread. It is
        called in order for each record, at least once: again after a crash, and up to eight times when it raises.
        `name` is under what its place is kept: give one where the function may be renamed.

        >>> @hooks.on(Company, fields=["phase"])                              # doctest: +SKIP
        ... async def changed(company: Company, change: Change) -> None:
        ...     print(company.name, change.old["phase"], "->", company.phase)
        """
        check_memory(self.planhat)

        def register(call: H) -> H:
            handler = Handler(model, call, fields, name)
            if any(handler.name == other.name for other in self.handlers):
                raise ConfigurationError(f"Two handlers are called {handler.name}: give one of them name=...")
            self.handlers.append(handler)
            return call

        return register

    async def drain(self) -> None:
        """Work until nothing is due: records are read again, handlers called. For tests, and for programs' ends."""
        await self._here().worker.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            status = await self._answer(scope, receive)
            headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"{}"})

    async def close(self) -> None:
        """Stop working, and close this loop's connections. What waits is on disk, for the next start."""
        running, self._running = self._running, None
        if running is not None:
            await running.worker.close()
            await self.planhat._holdings.async_driver.close()

    def __repr__(self) -> str:
        return f"<Receiver of {len(self.handlers)} handlers, {self.counts}>"

    # --- one delivery -----------------------------------------------------------------------------------

    async def _answer(self, scope: Scope, receive: Receive) -> int:
        here = self._here()
        headers = dict(scope["headers"])
        if not self._is_genuine(headers.get(self._header, b"")):
            self.counts.forged += 1
            self._tell("forged")
            return 401
        body = await _body(headers, receive, self._max_bytes)
        if body is None:
            self.counts.oversized += 1
            self._tell("oversized")
            logger.warning("A webhook's body was longer than %d bytes: it was refused.", self._max_bytes)
            return 413
        try:
            events = read(body, scope.get("path", ""))
        except Unreadable:
            self.counts.unreadable += 1
            self._tell("unreadable")
            logger.warning("A webhook's body names no record: `planhat webhook template` prints one that does.")
            return 202  # an automation is disabled after ten failures
        try:
            await here.accept(events)
        except Exception as error:
            logger.error("A webhook could not be written down: %s.", type(error).__name__)
            self._tell("failed", len(events))
            return 503
        self.counts.accepted += 1
        self._tell("accepted", len(events))
        return 202

    def _tell(self, outcome: WebhookOutcome, records: int = 0) -> None:
        self.planhat.notify("webhook", WebhookEvent(outcome, records))

    def _is_genuine(self, given: bytes) -> bool:
        # All are compared, so that the time taken tells nothing.
        return sum(compare_digest(given, secret) for secret in self._secrets) > 0

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._here()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _here(self) -> _Running:
        """What works in this process and loop. A mounted application is told of no start, so it begins when called."""
        loop, pid = asyncio.get_running_loop(), os.getpid()
        if self._running is None or (self._running.loop, self._running.pid) != (loop, pid):
            worker = Worker(self.planhat, self.handlers, self.counts, quiet=self._quiet, trust=self._trust == "body")
            self._running = _Running(worker, loop, pid)
        return self._running


class _Running:
    """A worker in a loop, and the deliveries that are being written down: those of five milliseconds at once."""

    def __init__(self, worker: Worker, loop: asyncio.AbstractEventLoop, pid: int) -> None:
        self.worker = worker
        self.loop = loop
        self.pid = pid
        self._arrived: list[tuple[list[Event], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        worker.start()

    async def accept(self, events: list[Event]) -> None:
        """Return when events are on disk; raise when they are not."""
        written = self.loop.create_future()
        self._arrived.append((events, written))
        if self._writing is None or self._writing.done():
            self._writing = self.loop.create_task(self._write())
        await written
        self.worker.wake()

    async def _write(self) -> None:
        while self._arrived:
            await asyncio.sleep(_GROUPED)
            group, self._arrived = self._arrived, []
            try:
                events = [event for events, _ in group for event in events]
                await asyncio.to_thread(lambda: self.worker.inbox.add(events))  # noqa: B023 - awaited in this round
            except Exception as error:
                for _, written in group:
                    with suppress(asyncio.InvalidStateError):
                        written.set_exception(error)
            else:
                for _, written in group:
                    with suppress(asyncio.InvalidStateError):
                        written.set_result(None)


async def _body(headers: dict[bytes, bytes], receive: Receive, most: int) -> bytes | None:
    """The whole body, or None for one that is too long."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > most:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body"):
            return bytes(body)
