"""A receiver on loopback beside an emulator that posts to it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from planhat_orm import Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.mirror.inbox import Inbox

from ..online import bare_environment, online

__all__ = ["bare_environment", "online"]
SECRET = "a-shared-secret"
SECONDS = 20.0


class Served:
    """An ASGI application on a port of its own. `loop` is the one it runs in."""

    def __init__(self, app: Any, lifespan: str = "on", at_end: Callable[[], Any] | None = None) -> None:
        self.at_end = at_end
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(app, lifespan=lifespan, ws="none", log_config=None, timeout_graceful_shutdown=1)  # type: ignore[arg-type]
        self.server = uvicorn.Server(config)
        self.loop: asyncio.AbstractEventLoop | None = None

        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            await self.server.serve(sockets=[listening])

        self.thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self.thread.start()
        until(lambda: self.server.started)

    def stop(self) -> None:
        if self.at_end is not None and self.loop is not None and self.thread.is_alive():
            asyncio.run_coroutine_threadsafe(self.at_end(), self.loop).result()
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(app: Any, lifespan: str = "on", at_end: Callable[[], Any] | None = None) -> Served:
        running.append(Served(app, lifespan, at_end))
        return running[-1]

    yield start
    for served in running:
        served.stop()


@pytest.fixture
def mirrored(online: Any, tmp_path: Path) -> Iterator[Callable[..., tuple[Emulator, Planhat]]]:
    """An emulator and a client whose mirror holds companies and licences; the log begins after that."""
    from planhat_orm import Company, License

    def start(companies: int = 10, **options: Any) -> tuple[Emulator, Planhat]:
        options.setdefault("mirror", str(tmp_path / "planhat.db"))
        emulator, planhat = online(companies, **options)
        planhat.sync(Company, License)
        emulator.log.clear()
        return emulator, planhat

    yield start


def post(url: str, body: bytes | str, secret: str | None = SECRET, method: str = "POST") -> int:
    """Send a webhook, and return the status of its answer."""
    data = body.encode() if isinstance(body, str) else body
    headers = {} if secret is None else {"X-Hook-Secret": secret}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def until(what: Callable[[], Any]) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + SECONDS
    while not (found := what()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)
    return found


def is_empty(inbox: Inbox) -> bool:
    """Whether nothing waits in an inbox."""
    return inbox.counts()[0] == 0
