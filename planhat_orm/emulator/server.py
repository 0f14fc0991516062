"""The emulator as a server of its own: uvicorn in a thread, on loopback, on a free port."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import ConfigurationError
from ..http.clock import Clock
from . import tenant
from .api import Api, PageCap
from .app import Front, Weather, build
from .faults import Faults
from .log import Log
from .page import Pages
from .quota import Quota
from .store import Store
from .switches import Switches
from .tables import Record
from .times import TODAY, Moments
from .webhooks import Automation, Automations, Happening

_HOST = "127.0.0.1"
_STARTUP_SECONDS = 30.0
_SHUTDOWN_SECONDS = 1.0
_TICK = 0.01


class Emulator:
    """A Planhat of your own: `with Emulator(companies=500) as emulator: Planhat(api_url=emulator.url, ...)`.

    The tenant is made from `seed`, on the day `today` (1 June 2026 unless told otherwise, so that a seed gives the
    same records on any day; a moment says the time of day, too), and its time passes from there; `sizes` sets how many
    records of a kind it has (`endusers=10_000, licenses=1_500`). `companies=0` is an empty tenant. With
    `calls_per_min` calls above it get 429; `speed` lets the emulated time, and the quota's minute, pass faster.
    `page_cap` cuts pages below the documented maximum, for all resources or by name. Stopping and starting again keeps
    the records, the log and, if it is still free, the port.
    """

    def __init__(
        self,
        companies: int = 20,
        seed: int = 1,
        calls_per_min: int | None = None,
        speed: float = 1.0,
        port: int = 0,
        page_cap: PageCap = None,
        api_token: str = "test-token",
        tenant_token: str = "test-tenant",
        switches: Switches | None = None,
        today: date | datetime = TODAY,
        **sizes: int,
    ) -> None:
        self.api_token = api_token
        self.tenant_token = tenant_token
        self.switches = switches or Switches()
        self.clock = Clock(speed)
        self.log = Log()
        self.faults = Faults()
        moments = Moments(self.clock, today)
        self.store = Store(moments, self.switches, seed)
        tenant.fill(self.store, tenant.sizes(companies, sizes), seed, moments.first_day)
        self._weather = Weather()
        self.api = Api(self.store, self.switches, api_token, tenant_token, page_cap)
        quota = Quota(calls_per_min, self.switches)
        front = Front(self.api, quota, self.faults, self.log, self.clock, self._weather, self.switches.retry_after)
        self.app = build(front, Pages(self.store, self.faults, self.log, self.clock))
        self._asked = self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Return the address of both hosts, main and analytics."""
        if not self._port:
            raise ConfigurationError("The emulator has no address before it is started. Call start().")
        return f"http://{_HOST}:{self._port}"

    @property
    def calls(self) -> int:
        """Return how many API calls arrived since the log was cleared."""
        return len(self.log)

    def start(self) -> Self:
        """Serve, and return when the first call can come."""
        if self._thread is not None:
            return self
        listening = _listen(self._port, self._asked)
        self._port = listening.getsockname()[1]
        self._weather.stopping = False
        config = uvicorn.Config(
            self.app,
            http=_protocol(self._weather),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=60,
        )
        server = self._server = _Server(config)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listening])), name="planhat-emulator", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _STARTUP_SECONDS
        while not server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise ConfigurationError(f"The emulator did not start on port {self._port}.")
            time.sleep(0.002)
        return self

    def stop(self) -> None:
        """Stop serving; the records stay."""
        if self._server is None or self._thread is None:
            return
        self._weather.stopping = True
        self._server.should_exit = True
        self._thread.join()
        self._server = self._thread = None

    def add_webhook(
        self,
        url: str,
        name: str,
        template: str,
        *,
        secret: str = "",
        header: str = "X-Hook-Secret",
        events: Iterable[Happening] = ("create", "update", "delete"),
    ) -> None:
        """Post to `url` whenever a record of a resource changes, as an automation of Planhat does.

        `template` is the body, with references such as `<<object._id>>`; `planhat_orm.webhooks.template()` makes one.
        `webhooks.wait()` waits until all is delivered; `webhooks.answers` has the statuses.
        """
        self.store.table(name)
        self.webhooks.add(Automation(url, name, template, secret, header, frozenset(events)))

    @property
    def webhooks(self) -> Automations:
        """The automations, and what came of their deliveries."""
        return self.store.automations

    def refuse(self, name: str, check: Callable[[Record], str | None]) -> None:
        """Have rows of a resource refused: `check` gets each row sent and returns a message, or None to let it pass."""
        self.store.table(name)
        with self.store.lock:
            self.store.refusals.setdefault(name, []).append(check)

    def forbid(self, name: str, *, reads: bool = True, writes: bool = True, status: int = 403) -> None:
        """Take the token's right to a resource, answered with `status`: 403, or 404 for a model that is not there."""
        self.store.table(name)
        with self.store.lock:
            for action, taken in (("read", reads), ("write", writes)):
                if taken:
                    self.store.forbidden[name, action] = status

    def allow(self, name: str | None = None) -> None:
        """Undo `refuse` and `forbid`, for one resource or for all."""
        with self.store.lock:
            for held in [*self.store.refusals, *{key for key, _ in self.store.forbidden}]:
                if name in (None, held):
                    self.store.refusals.pop(held, None)
                    self.store.forbidden.pop((held, "read"), None)
                    self.store.forbidden.pop((held, "write"), None)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(uvicorn.Server):
    """Looks more often than every tenth of a second whether it shall end, and has ended; tests start many servers."""

    async def main_loop(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(_TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, let the answers on their way arrive for a second, and cut off the rest."""
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        while (self.server_state.connections or self.server_state.tasks) and time.monotonic() < deadline:
            await asyncio.sleep(_TICK)
        for task in self.server_state.tasks:
            task.cancel()


def _listen(port: int, asked: int) -> socket.socket:
    """Take the port; when a restart finds it taken, and nobody asked for that one, a free port."""
    # The protocol is named because asyncio turns Nagle's delay off only for sockets that say TCP.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
    except OSError:
        listening.close()
        if port != asked:
            return _listen(asked, asked)
        raise ConfigurationError(f"Port {port} is taken. Choose another, or 0 for a free one.") from None
    return listening


def _protocol(weather: Weather) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, with its connections known to the weather."""

    class Protocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._peer = transport.get_extra_info("peername")
            weather.connections[self._peer] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            weather.connections.pop(self._peer, None)
            super().connection_lost(exc)

    return Protocol
