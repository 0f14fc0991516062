"""The server: a thread with an event loop, the accounts it serves, and what a test may do behind its back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any, Self

from tests.other_server import control, foreign, records, routes
from tests.other_server.behaviour import Behaviour
from tests.other_server.cast import Refused
from tests.other_server.clock import ServerClock
from tests.other_server.faults import Fault, Predicate, Rule
from tests.other_server.http1 import Answer, Request
from tests.other_server.listener import Listener
from tests.other_server.log import Entry
from tests.other_server.store import Record, copied
from tests.other_server.tenant import Account, Host, Tenant

Hook = Callable[[Request], object]


class OtherServer:
    """A second Planhat, by another hand. `with OtherServer(page_rows=20) as server: ... server.url`.

    `accounts` maps tokens to accounts; a text stands for an account of that name and tenant token. Keywords are those of
    `Behaviour`. Records are kept when the server is stopped and started again, and so is its port.
    """

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        accounts: dict[str, Account | str] | None = None,
        clock: ServerClock | None = None,
        port: int = 0,
        control: bool = False,
        **options: Any,
    ) -> None:
        self.clock = clock or ServerClock()
        self.host = Host(replace(behaviour or Behaviour(), **options), self.clock)
        self.log: list[Entry] = []
        self.crashes: list[BaseException] = []
        self.lock = threading.RLock()
        self._tokens: dict[str, str] = {}
        self._tenants: dict[str, Tenant] = {}
        self._rules: list[Rule] = []
        self._hooks: list[Hook] = []
        self._chance = random.Random(self.host.behaviour.seed + 1)
        self._control = control
        for token, account in (accounts or {"token-a": "tenant-a"}).items():
            self.admit(token, account)
        self.token = next(iter(self._tokens))
        self._listener = Listener(self, port)

    # Life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.crashes:
            raise AssertionError(f"the server itself failed: {self.crashes[0]!r}") from self.crashes[0]

    def start(self) -> None:
        """Listen; after `stop()` on the same port again."""
        self._listener.start()

    def stop(self) -> None:
        """Close all connections and listen no more; connecting is refused."""
        self._listener.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.port}"

    @property
    def behaviour(self) -> Behaviour:
        return self.host.behaviour

    def behave(self, **options: Any) -> None:
        """Change options while the server runs."""
        with self.lock:
            self.host.behaviour = replace(self.host.behaviour, **options)

    def settings(self, account: str | None = None) -> dict[str, Any]:
        """What a client needs to reach an account: `Planhat(**server.settings())`."""
        tenant = self.tenant(account)
        token = next(token for token, name in self._tokens.items() if name == tenant.account.name)
        token = account if account in self._tokens else token
        return {
            "api_token": token,
            "tenant_token": tenant.account.tenant_token,
            "api_url": self.url,
            "analytics_url": self.url,
        }

    # Accounts

    def admit(self, token: str, account: Account | str) -> None:
        """Accept a token; several tokens may belong to one account."""
        account = Account(account, account) if isinstance(account, str) else account
        self._tokens[token] = account.name
        self._tenants.setdefault(account.name, Tenant(account, self.host))

    def revoke(self, token: str) -> None:
        """Answer 401 to a token from now on."""
        self._tokens.pop(token)

    def tenant(self, account: str | None = None) -> Tenant:
        """Return the data of an account, by its name or a token; the first one by default."""
        name = self._tokens.get(account or self.token, account or "")
        return self._tenants[name] if name in self._tenants else next(iter(self._tenants.values()))

    # Records

    def records(self, name: str, account: str | None = None) -> list[Record]:
        """All records of a resource as they are stored now, in the order of their insertion."""
        with self.lock:
            found = copied(self.tenant(account).of(name).records())
        return [record for record in found if name not in ("ticket", "note") or record.get("type") == name]

    def record(self, name: str, record_id: str, account: str | None = None) -> Record | None:
        """One record, None where there is none."""
        with self.lock:
            row = self.tenant(account).of(name).get(record_id)
            return copied(row.record) if row else None

    def write(self, name: str, values: Record, account: str | None = None) -> Record:
        """Write as somebody else does, past the API: update the record of `_id`, or make one. Any key is stored."""
        with self.lock:
            return copied(foreign.write(self.tenant(account), name, copied(values)))

    def fill(self, name: str, count: int, make: Callable[[int], Record], account: str | None = None) -> list[Record]:
        """Write `count` records, `make(0)` and so on."""
        with self.lock:
            tenant = self.tenant(account)
            made = [foreign.put(tenant, name, copied(make(number))) for number in range(count)]
            records.settle(tenant)
            return copied(made)

    def put_raw(self, name: str, record: Record, account: str | None = None) -> None:
        """Store a record exactly as it is: with an empty, a missing or a repeated `_id`."""
        with self.lock:
            self.tenant(account).of(name).insert(copied(record))

    def delete(self, name: str, record_id: str, account: str | None = None) -> None:
        """Delete as somebody else does."""
        with self.lock:
            foreign.delete(self.tenant(account), name, record_id)

    def activities(self, account: str | None = None) -> list[Record]:
        return copied(self.tenant(account).activities)

    # Faults, hooks, log

    def fault(
        self,
        fault: Fault,
        when: Predicate = lambda request: True,
        *,
        times: int | None = 1,
        skip: int = 0,
        share: float = 1.0,
    ) -> Rule:
        """Let a fault happen to requests of `when`; rules are tried in the order in which they were made."""
        rule = Rule(fault, when, times, skip, share)
        with self.lock:
            self._rules.append(rule)
        return rule

    def clear_faults(self) -> None:
        with self.lock:
            self._rules.clear()

    def before(self, hook: Hook) -> None:
        """Call a function with each request before it is answered, in the server's thread: a foreign writer between two pages."""
        with self.lock:
            self._hooks.append(hook)

    def requests(self, method: str = "", path: str = "") -> list[Entry]:
        """The entries of the log of a method and a path that begins like this."""
        return [entry for entry in list(self.log) if method in ("", entry.method) and entry.path.startswith(path)]

    # Called by the listener, in the server's thread

    def receive(self, request: Request, parallel: int) -> tuple[Entry, Fault | None]:
        """Note a request; the fault that it meets."""
        with self.lock:
            self.clock.advance(self.behaviour.tick)
            for hook in self._hooks:
                hook(request)
            entry = Entry(len(self.log) + 1, request, self.clock.now(), time.monotonic(), routes.token_of(request))
            entry.parallel = parallel
            self.log.append(entry)
            rule = next((rule for rule in self._rules if rule.applies(request, self._chance.random())), None)
            entry.fault = rule.fault.name if rule else ""
            return entry, rule.fault if rule else None

    def process(self, request: Request, entry: Entry) -> Answer:
        """Do what a request asks for."""
        with self.lock:
            try:
                answer = self._process(request, entry)
            except Refused as refused:
                answer = routes.error_answer(self.behaviour.error_body, refused.status, refused.message)
            except Exception as crash:
                self.crashes.append(crash)
                answer = routes.error_answer("text", 500, "Internal Server Error")
            return self.dressed(answer)

    def dressed(self, answer: Answer) -> Answer:
        """Add the headers that every answer has."""
        date = (
            {"Date": formatdate(self.clock.now() + self.behaviour.date_offset, usegmt=True)}
            if self.behaviour.date_header
            else {}
        )
        return Answer(answer.status, answer.body, {**date, **answer.headers, **self.behaviour.headers})

    def _process(self, request: Request, entry: Entry) -> Answer:
        tenant_token = routes.tenant_token_of(request)
        if tenant_token is not None:
            return self._on_analytics(request, entry, tenant_token)
        if self._control and request.parts[:1] == ["__test"]:
            return control.answer(self, request)
        if entry.token not in self._tokens:
            return routes.error_answer(self.behaviour.error_body, 401, "Unauthorized")
        tenant = self._tenants[self._tokens[entry.token]]
        entry.account = tenant.account.name
        refused, headers = routes.over_quota(tenant)
        if refused:
            answer = routes.error_answer(self.behaviour.error_body, 429, "Too many requests")
        else:
            answer = self._on_main(tenant, request)
        return Answer(answer.status, answer.body, {**answer.headers, **headers})

    def _on_main(self, tenant: Tenant, request: Request) -> Answer:
        try:
            return routes.on_main(tenant, request)
        except Refused as refused:
            return routes.error_answer(self.behaviour.error_body, refused.status, refused.message)
        finally:
            records.settle(tenant)

    def _on_analytics(self, request: Request, entry: Entry, tenant_token: str) -> Answer:
        tenant = next((t for t in self._tenants.values() if t.account.tenant_token == tenant_token), None)
        if tenant is None:
            return routes.json_answer({})
        entry.account = tenant.account.name
        return routes.on_analytics(tenant, request)
