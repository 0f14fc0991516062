"""The emulated tenant's automations: each change of a record is posted to an address, as Planhat would.

Bodies are templates with references, `<<object.name>>`, which the record's values take the place of
(docs/reference/planhat-api.md section 12). Nothing is sent twice and failures are counted only: what Planhat does then
is not documented.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from .tables import Record

_REFERENCE = re.compile(r"<<(\w+)\.([^<>]+)>>")
_SECONDS = 10.0
Happening = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Automation:
    """One webhook step. `resource` is whose records it runs on; `events` what must happen to one."""

    url: str
    resource: str
    template: str
    secret: str = field(repr=False)
    header: str
    events: frozenset[str]


class Automations:
    """The automations of a tenant, and a thread that posts for them, one delivery after the other."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._automations: list[Automation] = []
        self._queue: queue.Queue[tuple[Automation, bytes]] = queue.Queue()
        self._thread: threading.Thread | None = None
        # Another machine is reached as it is, but what a test posts to itself must not go through a proxy.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        self.answers: list[int] = []
        """The status of each delivery, 0 where there was no answer."""

    def add(self, automation: Automation) -> None:
        """Run an automation from now on."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._deliver, name="planhat-emulator-webhooks", daemon=True)
            self._thread.start()
        self._automations.append(automation)

    def clear(self) -> None:
        """Take all automations away; what was to be delivered still is."""
        self._automations.clear()

    def wait(self) -> None:
        """Wait until everything is delivered."""
        self._queue.join()

    def happened(self, name: str, event: Happening, new: Record | None, old: Record | None) -> None:
        """Deliver what happened to a record to whoever asked for it."""
        for automation in self._automations:
            if automation.resource == name and event in automation.events:
                self._queue.put((automation, _filled(automation.template, new or old or {}, old or {}, self._now())))

    def _deliver(self) -> None:
        while True:
            automation, body = self._queue.get()
            try:
                self.answers.append(self._post(automation, body))
            finally:
                self._queue.task_done()

    def _post(self, automation: Automation, body: bytes) -> int:
        headers = {"Content-Type": "application/json"}
        if automation.secret:
            headers[automation.header] = automation.secret
        request = urllib.request.Request(automation.url, body, headers, method="POST")
        try:
            with self._open(request, timeout=_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code
        except (OSError, urllib.error.URLError):
            return 0


def _filled(template: str, record: Record, old: Record, now: str) -> bytes:
    """A template with values in the place of its references; what there is not becomes nothing."""
    known: dict[str, Any] = {"object": record, "oldDoc": old, "time": {"now": now}}

    def value(match: re.Match[str]) -> str:
        found: Any = known.get(match[1])
        head, _, label = match[2].partition(".")
        for key in (head, label) if head == "custom" and label else (match[2],):
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            return ""
        text = found if isinstance(found, str) else json.dumps(found)
        return json.dumps(text)[1:-1]  # it stands inside of a JSON text

    return _REFERENCE.sub(value, template).encode()
