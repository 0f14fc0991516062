"""The second server where a test takes an emulator: under the names that tests of writes use of one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from planhat_orm.emulator import Emulator
from tests.other_server import faults
from tests.other_server.behaviour import Behaviour
from tests.other_server.clock import ServerClock
from tests.other_server.http1 import Answer
from tests.other_server.log import Entry
from tests.other_server.server import OtherServer
from tests.other_server.store import Record
from tests.scale import LONG

SERVERS = ["emulator", "other server"]
_OPTIONS = {field.name for field in fields(Behaviour)}
_OF_OTHER_MODELS = {"endusers", "conversations", "tasks"}


class StandIn:
    """A second server with the interface of an `Emulator`, as far as tests of writes use it."""

    def __init__(
        self,
        companies: int = 0,
        *,
        api_token: str = "test-token",
        tenant_token: str = "test-tenant",
        speed: float = 1.0,
        **options: Any,
    ) -> None:
        chosen = {name: value for name, value in options.items() if name not in _OF_OTHER_MODELS}
        if unknown := chosen.keys() - _OPTIONS:
            raise TypeError(f"The second server has no option {min(unknown)}.")
        self.api_token = api_token
        self.server = OtherServer(accounts={api_token: tenant_token}, clock=ServerClock(speed=speed), **chosen)
        self.store = _Store(self.server)
        self.faults = _Faults(self.server)
        self.log = _Log(self.server)
        self.server.fill("company", companies, lambda number: {"name": f"C{number}", "externalId": f"c-{number}"})

    def __enter__(self) -> StandIn:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def calls(self) -> int:
        return len(self.log)

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def refuse(self, name: str, check: Callable[[Record], str | None]) -> None:
        self.store.refusals.setdefault(name, []).append(check)

    def forbid(self, name: str) -> None:
        tenant = self.server.tenant()
        tenant.account = replace(tenant.account, forbidden=tenant.account.forbidden | {name})

    def allow(self) -> None:
        tenant = self.server.tenant()
        tenant.account = replace(tenant.account, forbidden=frozenset())
        self.store.refusals.clear()


class _Store:
    """The records, written past the API."""

    def __init__(self, server: OtherServer) -> None:
        self._server = server
        self.refusals = server.tenant().refusals
        self.lock = server.lock

    def insert(self, name: str, values: Record) -> Record:
        return self._server.write(name, values)

    def update(self, name: str, id: str, values: Record) -> Record:
        return self._server.write(name, {"_id": id, **values})

    def delete(self, name: str, id: str) -> None:
        self._server.delete(name, id)

    def get(self, name: str, id: str) -> Record | None:
        return self._server.record(name, id)

    def all(self, name: str) -> list[Record]:
        return self._server.activities() if name == "user_activity" else self._server.records(name)


def _refused(status: int = 500, *, done: bool = False, retry_after: float | None = None) -> faults.Fault:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return faults.status(status, "no", headers, processed=done)


def _html(*, done: bool = False) -> faults.Fault:
    return faults.status(200, "<html></html>", {"Content-Type": "text/html"}, processed=done)


def _cut(part: float) -> faults.Fault:
    """So much of the body, as if it were all."""
    return faults.Fault(
        reply=lambda answer: Answer(answer.status, answer.body[: int(len(answer.body) * part)], answer.headers)
    )


_FAULTS: dict[str, Callable[..., faults.Fault]] = {
    "status": _refused,
    "rate_limit": lambda **options: _refused(429, **options),
    "reset_before": faults.close_before,
    "reset_after": faults.close_after,
    "timeout_after": lambda delay: faults.slow(delay),
    "truncated": faults.truncated,
    "cut_json": lambda: _cut(0.5),
    "empty": lambda: _cut(0),
    "html": _html,
}
"""The emulator's kinds of faults, but `late`: this server does what it is asked before it answers, or not at all."""


class _Faults:
    def __init__(self, server: OtherServer) -> None:
        self._server = server

    def add(
        self, kind: str = "status", *, method: str = "", path: str = "", times: int | None = 1, after: int = 0,
        **options: Any,
    ) -> None:  # fmt: skip
        fault = _FAULTS[kind](**options)
        below = re.compile(f"(?:{path or '.*'})(?:/.*)?")
        self._server.fault(
            fault,
            lambda request: method in ("", request.method) and below.fullmatch(request.path) is not None,
            times=times,
            skip=after,
        )

    def clear(self) -> None:
        self._server.clear_faults()


class _Log:
    def __init__(self, server: OtherServer) -> None:
        self._server = server
        self._start = 0

    def _entries(self) -> list[Entry]:
        return list(self._server.log)[self._start :]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries())

    def __len__(self) -> int:
        return len(self._entries())

    def __getitem__(self, number: int) -> Entry:
        return self._entries()[number]

    def clear(self) -> None:
        self._start = len(self._server.log)

    def count(self, method: str | None = None, path: str | None = None) -> int:
        return sum(
            (method is None or entry.method == method)
            and (path is None or entry.path == path or entry.path.startswith(f"{path}/"))
            for entry in self
        )


def server(kind: str, companies: int = 0, **options: Any) -> Any:
    """Return the server of a kind, not started; options as both know them."""
    return StandIn(companies, **options) if kind == "other server" else Emulator(companies, **options)


def by_default(item: pytest.Item) -> bool:
    """Whether a test runs without `--torture`: on the second server a tenth of them does, always the same."""
    return LONG or "other server" not in item.nodeid or zlib.crc32(item.nodeid.encode()) % 10 == 0


def choose(config: pytest.Config, items: list[pytest.Item], folder: str) -> None:
    """Leave the tests of a folder out that do not run by default, but where they are asked for by `-k`."""
    if "other" in config.getoption("-k", default=""):
        return
    left = {item for item in items if f"/{folder}/" in item.nodeid and not by_default(item)}
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]
