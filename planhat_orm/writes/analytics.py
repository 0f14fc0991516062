"""Values of metrics and activities through a mirror's outbox: written down, sent by `push()`, and found out about.

The analytics host answers 200 to whatever comes, and nothing sent there has a key. A value that may have arrived is
looked for: it has a day, a dimension and a record, and can be read back. An activity cannot be read back; one that may
have arrived is held until somebody decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import ParamSpec, TypeVar

from ..errors import ConfigurationError, PlanhatError, RequestError, ValidationError
from ..http.effects import Flow, Sleep
from ..json_encoding import encode
from ..runtime import Client
from ..wire import analytics, metric_values
from ..wire.failures import is_unprocessed, may_be_done, reason
from ..wire.refused_rows import refused_rows
from . import server_state
from .outbox import MirrorSession, OutboxEntry, Raw, on_outbox
from .outcomes import UNSURE, EntryOutcome

P = ParamSpec("P")
T = TypeVar("T")

METRIC, ACTIVITY = "metric", "user_activity"
_HELD = (
    "it may have arrived, and cannot be read back: planhat outbox retry with its number sends it again, planhat "
    "outbox discard gives it up"
)
_NEXT = {METRIC: "the next push looks whether it arrived", ACTIVITY: _HELD}


def record(client: Client, name: str, rows: Sequence[tuple[str, Raw]]) -> Flow[int]:
    """Write rows of a resource down, each with what it is of, for `push()` to send; return how many wait.

    Raises `ValidationError` for a row that no body is large enough for.
    """
    outbox = client.outbox
    if outbox is None:
        raise ConfigurationError(NO_MIRROR)
    for number, (_, row) in enumerate(rows):
        if len(encode(row)) > analytics.MAX_BYTES - 2:
            raise ValidationError(f"Row {number} is larger than the 32 MB that the analytics host takes.")
    return (yield from on_outbox(outbox, outbox.analytics.record, name, rows))


NO_MIRROR = (
    "What is recorded waits in a mirror's outbox: make the client with Planhat(mirror='planhat.db'). Without one, "
    "planhat.metrics.bulk_insert_metrics(...) and planhat.user_activity.create_activity(...) send at once."
)


def check_token(client: Client, session: MirrorSession) -> Flow[None]:
    """Raise `ConfigurationError` where rows wait and nothing was given to prove itself with to the analytics host."""
    if client.has_tenant_token:
        return
    count = yield from on_outbox(session, session.analytics.count)
    if count:
        raise ConfigurationError(
            f"Nothing was sent: of {count} metrics and activities that wait none can go, as no tenant token is set. "
            f"Set PLANHAT_TENANT_TOKEN, or pass Planhat(tenant_token=...); planhat outbox lists what waits."
        )


class AnalyticsPush:
    """One run over the rows for the analytics host; `outcomes` has what became of each."""

    def __init__(self, session: MirrorSession) -> None:
        self.outcomes: list[tuple[OutboxEntry, EntryOutcome]] = []
        self._session = session
        self._queue = session.analytics
        self._refused = ""

    def run(self) -> Flow[None]:
        """Find out what became of values that may have arrived, and send what waits, in bodies of at most 32 MB."""
        newest, held = yield from self._call(self._queue.prepare, f"the process died: {_HELD}")
        self._note(held, "unknown", _HELD)
        yield from self._send_all(ACTIVITY, analytics.activity_path(bulk=True), newest)
        yield from self._find_out(newest)
        yield from self._send_all(METRIC, analytics.metrics_path(), newest)

    def _call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        return (yield from on_outbox(self._session, method, *args, **kwargs))

    def _note(self, entries: Iterable[OutboxEntry], status: str, error: str = "") -> None:
        self.outcomes += [(entry, EntryOutcome(status, error)) for entry in entries]

    # --- values that may have arrived -------------------------------------------------------------------

    def _find_out(self, newest: int) -> Flow[None]:
        """Look whether values arrived whose answer was lost: what did not is sent with the others."""
        after = 0
        while entries := (yield from self._claim(METRIC, UNSURE, after, newest)):
            after = entries[-1].seq
            yield from _wait_for_the_sink(entries)
            try:
                arrived = yield from _arrived([entry.patch for entry in entries])
            except RequestError as failure:
                if is_unprocessed(failure) or may_be_done(failure):
                    error = f"it may have arrived, and could not be looked for: {failure}"
                    yield from self._keep([(entry, error) for entry in entries], "unknown")
                    continue
                arrived = set()  # this token must not read values: each is that of its day, so it is sent again
            done = [entry for place, entry in enumerate(entries) if place in arrived]
            yield from self._finish(done)
            left = {entry.seq: "" for place, entry in enumerate(entries) if place not in arrived}
            yield from self._mark(left, "pending")

    # --- sending ----------------------------------------------------------------------------------------

    def _claim(self, name: str, states: Sequence[str], after: int, newest: int) -> Flow[Sequence[OutboxEntry]]:
        return (yield from self._call(self._queue.claim, name, states, after, newest, analytics.MAX_ROWS))

    def _send_all(self, name: str, path: str, newest: int) -> Flow[None]:
        after = 0
        while entries := (yield from self._claim(name, ("pending",), after, newest)):
            after, start = entries[-1].seq, 0
            for body in analytics.bodies(entry.patch for entry in entries):
                part = entries[start : start + len(body)]
                start += len(body)
                if self._refused:
                    self._postpone(part)
                else:
                    yield from self._send(name, path, part, body)

    def _send(self, name: str, path: str, part: Sequence[OutboxEntry], body: Sequence[bytes]) -> Flow[None]:
        granted = yield from self._call(self._queue.begin, [entry.seq for entry in part])
        entries = [entry for entry in part if entry.seq in granted]
        rows = [row for entry, row in zip(part, body, strict=True) if entry.seq in granted]
        if not entries:
            return
        try:
            answer = yield from analytics.push_body(path, rows)
        except PlanhatError as failure:
            yield from self._failed(name, entries, failure)
        else:
            yield from self._settle(entries, answer)

    def _failed(self, name: str, entries: Sequence[OutboxEntry], failure: PlanhatError) -> Flow[None]:
        if may_be_done(failure):
            yield from self._keep([(entry, f"its answer was lost: {_NEXT[name]}") for entry in entries], "unknown")
        elif isinstance(failure, RequestError) and not is_unprocessed(failure):
            yield from self._keep([(entry, reason(failure)) for entry in entries], "failed")
        else:
            self._refused = str(failure)
            self._postpone(entries)
            yield from self._mark({entry.seq: self._refused for entry in entries}, "pending")
            if not isinstance(failure, RequestError):
                raise failure

    def _settle(self, entries: Sequence[OutboxEntry], answer: analytics.Received) -> Flow[None]:
        """Forget what arrived; what the server's errors name failed, what they may mean stays in doubt."""
        refused = refused_rows([entry.patch for entry in entries], answer)
        places = refused.errors.keys() | refused.doubtful.keys()
        yield from self._finish([entry for place, entry in enumerate(entries) if place not in places])
        yield from self._keep([(entries[place], error) for place, error in refused.errors.items()], "failed")
        doubt = "the server refused some of the rows that it came with, and does not say which"
        unclear = [(entries[place], error) for place, error in refused.doubtful.items()]
        yield from self._keep(
            [(entry, f"{doubt} ({error}): {_NEXT[entry.resource]}") for entry, error in unclear], "unknown"
        )

    def _finish(self, entries: Sequence[OutboxEntry]) -> Flow[None]:
        yield from self._call(self._queue.finish, entries)
        self._note(entries, "sent")

    def _keep(self, errors: Sequence[tuple[OutboxEntry, str]], state: str) -> Flow[None]:
        """Keep rows that failed, or that may have arrived, and why."""
        for entry, error in errors:
            self._note([entry], state, error)
        yield from self._mark({entry.seq: error for entry, error in errors}, state)

    def _postpone(self, entries: Iterable[OutboxEntry]) -> None:
        self._note(entries, "failed", f"not sent, so it still waits. {self._refused}")

    def _mark(self, errors: Mapping[int, str], state: str) -> Flow[None]:
        if errors:
            yield from self._call(self._session.mark, errors, state)


def _wait_for_the_sink(entries: Sequence[OutboxEntry]) -> Flow[None]:
    """The host works behind its answers: what was sent a moment ago may not be seen yet."""
    moments = (datetime.fromisoformat(entry.sent_at) for entry in entries if entry.sent_at is not None)
    left = max((moment.timestamp() for moment in moments), default=0.0) + server_state.QUIET - time.time()
    if left > 0:
        yield Sleep(min(left, server_state.QUIET))


def _arrived(rows: Sequence[Raw]) -> Flow[set[int]]:
    """The places of the values that the server holds."""
    owners = yield from metric_values.owners(rows)
    held = yield from metric_values.stored(rows, 0)
    return set(range(len(rows))) - set(metric_values.missing(rows, owners, held))
