"""Bulk upserts: as few requests as the limits allow, one after another, and an outcome for every row.

A chunk of keyed rows may be repeated when its answer is lost: the keys make it find what it stored. Rows
without a key, and those that append to an array, travel in chunks of their own, which are sent once. A chunk
that is refused whole, or that the server fails on, is halved until the bad row is alone, so that the good ones
are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from ..errors import (
    AuthenticationError,
    BadAnswer,
    BulkError,
    ConnectionFailed,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestError,
    ServerError,
    ValidationError,
    message_in,
)
from ..http.effects import Flow, Request, Response
from ..json_encoding import encode
from . import paths
from .content_match import pair
from .failures import reason
from .key_locks import hold_keys
from .keys import comparable_keys, keys_beside_id
from .list_page import page
from .outcomes import ERROR_LISTS, Outcome, Reading, Status, dropped_reason, misshapen, read
from .records import appends, flat, operations
from .resources import BULK_MAX_ROWS, Resource

MAX_BYTES = 32_000_000
"""Largest body of one bulk upsert."""
MAX_EXTRA_REQUESTS = 400
"""How many requests may go into finding the bad rows among good ones, so that a file of bad rows stays cheap."""
_ASK_SINGLY = 20
_FAILURES = 6
_NO_ERRORS: dict[str, list[Any]] = {name: [] for name in ERROR_LISTS}
_UNTOLD = "The server did not say what became of the row."


Kind = Literal["keyed", "appending", "keyless"]
"""What may be done with rows again: all; only what was surely refused; that, and their ids are still to be found."""


@dataclass(slots=True)
class BulkAnswer:
    """An outcome for every row in the order of the rows, and the server's answers summed up."""

    outcomes: list[Outcome] = field(default_factory=list)
    summed: dict[str, Any] = field(default_factory=dict)
    requests: int = 0


def upsert(
    resource: Resource, rows: Iterable[Mapping[str, Any]], *, chunk_size: int = BULK_MAX_ROWS
) -> Flow[BulkAnswer]:
    """Send rows as bulk upserts and return an outcome for each.

    ceil(rows/5000) requests when all goes well. `rows` may be a generator; it is read a chunk at a time.
    Never raises for what happens to a row or a chunk: that is in its outcome. `ValidationError` before
    anything is sent for a chunk size that the API does not take, and for a list that holds more than dicts.
    When a generator fails after rows of it were sent, `BulkError` has their outcomes.
    """
    if isinstance(chunk_size, bool) or not isinstance(chunk_size, int):
        raise ValidationError(f"chunk_size must be a whole number, not {type(chunk_size).__name__}.")
    if not 1 <= chunk_size <= BULK_MAX_ROWS:
        raise ValidationError(f"chunk_size must be between 1 and {BULK_MAX_ROWS}, not {chunk_size}.")
    if not isinstance(rows, Iterable):
        raise ValidationError(
            f"A bulk upsert takes rows, as a list or a generator of dicts, not a {type(rows).__name__}."
        )
    if isinstance(rows, Sequence):
        _check(rows)
    answer = BulkAnswer()
    sender = _Sender(resource, answer)
    source = iter(rows)
    while True:
        start = len(answer.outcomes)
        try:
            chunk = list(islice(source, chunk_size))
            _check(chunk)
        except Exception as failure:
            if not start:
                raise
            raise BulkError(
                f"The rows ended with {type(failure).__name__} after {start} of them were sent: "
                f".result.outcomes has what became of those.",
                result=answer,
            ) from failure
        if not chunk:
            return answer
        answer.outcomes.extend(Outcome(start + place, "unknown") for place in range(len(chunk)))
        yield from sender.send(start, chunk)


def _check(rows: Iterable[Any]) -> None:
    for row in rows:
        if not isinstance(row, Mapping):
            raise ValidationError(f"A bulk upsert takes dicts, not {type(row).__name__}.")


@dataclass(slots=True)
class _Row:
    """A row on its way: the places it stands for (more than one when rows with one key were merged)."""

    places: list[int]
    row: dict[str, Any]
    body: bytes = b""


@dataclass(slots=True)
class _Sender:
    """Sends the chunks of one bulk write and fills in the outcomes."""

    resource: Resource
    answer: BulkAnswer
    refused: RequestError | None = None
    down: bool = False
    extra: int = 0

    def send(self, start: int, chunk: Sequence[Mapping[str, Any]]) -> Flow[None]:
        """Send one chunk of rows, as one request if their bytes fit and all are of one kind."""
        groups: dict[Kind, list[_Row]] = {"keyed": [], "appending": [], "keyless": []}
        for row in self._prepare(start, chunk):
            groups[_kind(self.resource, row.row)].append(row)
        for kind, group in groups.items():
            for part in _by_bytes(group):
                yield from self._deliver(part, kind)

    def _prepare(self, start: int, chunk: Sequence[Mapping[str, Any]]) -> list[_Row]:
        """Merge rows that share a key: one request refuses them, or stores one of them at random."""
        rows: list[_Row] = []
        owner: dict[tuple[str, str], _Row] = {}
        for place, raw in enumerate(chunk, start):
            row = dict(raw)
            mine = comparable_keys(self.resource, row)
            twins = list({id(owner[key]): owner[key] for key in mine if key in owner}.values())
            twin = twins[0] if twins else _Row([place], row)
            if not twins:
                rows.append(twin)
            elif len(twins) > 1 or _contradict(self.resource, twin.row, row):
                self._settle([_Row([place], row)], "failed", "Another row of this batch has one of its keys but not "
                             "the others: they cannot be one record.")  # fmt: skip
                continue
            elif any(name in operations(row) for name, _ in flat(twin.row)):
                self._settle([_Row([place], row)], "failed", "Another row of this batch has its key and sets the array "
                             "that this one changes: send it in a batch of its own, after that.")  # fmt: skip
                continue
            else:
                before, now = twin.row.get("custom"), row.get("custom")
                twin.row.update(row)
                if isinstance(before, Mapping) and isinstance(now, Mapping):
                    twin.row["custom"] = {**before, **now}
                twin.places.append(place)
            owner.update((key, twin) for key in mine)
        good = []
        for item in rows:
            try:
                item.body = encode(item.row)
            except ValidationError as wrong:
                self._settle([item], "failed", str(wrong))
                continue
            good.append(item)
        return good

    def _deliver(self, rows: list[_Row], kind: Kind) -> Flow[None]:
        """Send rows as one request and settle them, in parts where the answer leaves something open or never comes."""
        lost = yield from self._try(rows, kind, idempotent=kind == "keyed")
        if lost is None:
            return
        if kind == "keyed" and len(rows) > 1 and not self.down:
            yield from self._search(rows, lost)
        else:
            self._settle(rows, "unknown", reason(lost))

    def _try(
        self, rows: list[_Row], kind: Kind, *, idempotent: bool, doubtful: bool = False
    ) -> Flow[RequestError | None]:
        """Send rows as one request and settle them; return the error after which they may be stored or not."""
        if not rows:
            return None
        if self.refused is not None:
            error = f"Not sent: an earlier request was refused. {self.refused}"
            self._settle(rows, "unknown" if doubtful else "failed", error, not_processed=True)
            return None
        body = b"[" + b",".join(row.body for row in rows) + b"]"
        request = Request(
            "PUT", paths.collection(self.resource), body=body, idempotent=idempotent, shape=dict, accept=(400, 403)
        )
        self.answer.requests += 1
        try:
            held = (key for row in rows for key in keys_beside_id(self.resource, row.row))
            response: Response = yield from hold_keys(self.resource, held, _answered(request))
            _check_shape(response, request)
        except (AuthenticationError, NotFound, PermissionDenied, RateLimited) as refusal:
            if not isinstance(refusal, PermissionDenied):
                self.refused = refusal
            # A try before the refused one may have gone through.
            status: Status = "unknown" if doubtful or refusal.maybe_applied else "failed"
            self._settle(rows, status, reason(refusal), not_processed=True)
        except InvalidRequest as refusal:
            yield from self._halve(rows, kind, "failed", reason(refusal))
        except (ConnectionFailed, ServerError, BadAnswer) as lost:
            if doubtful or not isinstance(lost, ConnectionFailed) or lost.sent:
                return lost
            self._settle(rows, "failed", str(lost), not_processed=True)
        else:
            self.down = False
            yield from self._settle_by(rows, response, kind)
        return None

    def _search(self, rows: list[_Row], lost: RequestError) -> Flow[None]:
        """Look for the rows that a server fails on: send halves of what failed, until those are alone.

        A server that fails on everything is asked a few times only, and not again for later chunks until it answers.
        """
        waiting = [rows]
        failures = 0
        while waiting and failures < _FAILURES and self.extra < MAX_EXTRA_REQUESTS:
            part = waiting.pop(0)
            for half in (part[: len(part) // 2], part[len(part) // 2 :]):
                self.extra += 1
                error = yield from self._try(half, "keyed", idempotent=len(half) == 1, doubtful=True)
                failures = failures + 1 if error else 0
                if error is None:
                    continue
                lost = error
                if len(half) > 1:
                    waiting.append(half)
                else:
                    self._settle(half, "unknown", reason(error))
        self.down = failures >= _FAILURES
        for part in waiting:
            self._settle(part, "unknown", reason(lost))

    def _halve(self, rows: list[_Row], kind: Kind, status: Status, error: str) -> Flow[None]:
        """Send rows again in two parts; a row that is alone, or too dear to look at, gets `status` and `error`."""
        if len(rows) == 1:
            return self._settle(rows, status, error)
        self.extra += 2
        if self.extra > MAX_EXTRA_REQUESTS:
            return self._settle(rows, status, f"{error} (one of {len(rows)} rows that were not looked at singly)")
        middle = len(rows) // 2
        yield from self._deliver(rows[:middle], kind)
        yield from self._deliver(rows[middle:], kind)

    def _settle_by(self, rows: list[_Row], response: Response, kind: Kind) -> Flow[None]:
        data: dict[str, Any] = response.data
        reading = read(self.resource, [row.row for row in rows], data)
        for place, outcome in reading.outcomes.items():
            self._settle([rows[place]], outcome.status, outcome.error, outcome.id)
        left = [rows[place] for place in reading.open]
        texts = "; ".join(dict.fromkeys(reading.errors))
        if response.status in (400, 403) and not reading.stored:
            yield from self._settle_refused(left, reading, response, kind)
        elif not left or self._settle_alike(left, reading, texts):
            self._sum(data)
        elif kind == "keyless":
            self._sum(data)
            yield from self._match_created(left, reading.created_unnamed, reading.created_ids, reading.errors)
        elif kind == "keyed" and (len(left) < len(rows) or len(left) > 1):
            # Ask again in parts: keyed rows find what they stored, and a row alone gets a clear answer.
            self._sum({**data, **_NO_ERRORS, **reading.named, "nonupdates": 0})
            if len(left) == 1:
                yield from self._deliver(left, kind)
            else:
                yield from self._halve(left, kind, "unknown", texts or _UNTOLD)
        else:
            self._sum(data)
            self._settle(left, "unknown", texts or _UNTOLD)

    def _settle_refused(self, left: list[_Row], reading: Reading, response: Response, kind: Kind) -> Flow[None]:
        """Settle what an answer leaves open that stored nothing, because of rows which it may or may not name."""
        texts = "; ".join(dict.fromkeys(reading.errors)) or message_in(response.text)[:500]
        if (response.status == 403 and not reading.outcomes) or not left or (len(left) == 1 and not reading.outcomes):
            self._sum(response.data)
            return self._settle(left, "failed", texts)
        if reading.errors and self._settle_alike(left, reading, texts):
            return self._sum(response.data)
        self._sum({**_NO_ERRORS, **reading.named})
        if not reading.outcomes or self.extra >= MAX_EXTRA_REQUESTS:
            return (yield from self._halve(left, kind, "failed", texts))
        # The bad rows are named, and out: the others may all be good.
        self.extra += 1
        yield from self._deliver(left, kind)

    def _settle_alike(self, left: list[_Row], reading: Reading, texts: str) -> bool:
        """Settle the rows left open where all of them had the same fate; tell whether that was so."""
        counts: dict[Status, int] = {
            "created": reading.created_unnamed, "updated": reading.updated_unnamed,
            "unchanged": reading.unchanged or 0,
            "failed": len(reading.errors),
        }  # fmt: skip
        fates = [status for status, count in counts.items() if count]
        if not fates:
            for row in left:
                if reading.unchanged is None:
                    self._settle([row], "unknown", _UNTOLD)
                else:
                    self._settle([row], "dropped", dropped_reason(self.resource, row.row))
            return True
        if len(fates) > 1 or counts[fates[0]] < len(left):
            return False
        if fates == ["created"] and not comparable_keys(self.resource, left[0].row):
            return False  # which id is whose is still to be found out
        if fates == ["failed"] and len(set(reading.errors)) > 1 and 1 < len(left) <= _ASK_SINGLY:
            return False  # so is which message
        self._settle(left, fates[0], texts)
        return True

    def _match_created(self, rows: list[_Row], count: int, ids: list[str], errors: list[str]) -> Flow[None]:
        """Find out which rows without a key were inserted: the answer has their ids only."""
        if len(rows) == 1 and count == 1:
            return self._settle(rows, "created", id=ids[0] if ids else None)
        pairs = pair((yield from self._read(ids)), [row.row for row in rows], self.resource)
        for place, id in pairs.items():
            self._settle([rows[place]], "created", id=id)
        left = [row for place, row in enumerate(rows) if place not in pairs]
        if not left:
            return
        if not errors and count == len(rows):
            # All of them were inserted; only which id is whose could not be told.
            self._settle(left, "created")
        elif errors and len(errors) == len(left):
            self._settle(left, "failed", "; ".join(dict.fromkeys(errors)))
        elif not errors and len(ids) == count:
            for row in left:
                self._settle([row], "dropped", dropped_reason(self.resource, row.row))
        else:
            self._settle(left, "unknown", "; ".join(errors) or _UNTOLD)

    def _read(self, ids: list[str]) -> Flow[list[dict[str, Any]]]:
        """The newest records, as far as they are among `ids`: one list, whatever their number."""
        if not ids or "list" not in self.resource.operations:
            return []
        limit = min(self.resource.max_limit, len(ids) + 100)
        try:
            newest = yield from page(self.resource, limit=limit, sort="-_id")
        except RequestError:
            return []
        chosen = set(ids)
        return [record for record in newest if record.get("_id") in chosen]

    def _settle(
        self, rows: Sequence[_Row], status: Any, error: str = "", id: str | None = None, *, not_processed: bool = False
    ) -> None:
        for row in rows:
            for place in row.places:
                outcome = self.answer.outcomes[place]
                outcome.status = status
                outcome.error = error
                outcome.not_processed = not_processed and status == "failed"
                outcome.id = id or outcome.id or row.row.get("_id")

    def _sum(self, data: Mapping[str, Any]) -> None:
        """Add an answer to the total, as CRUDs' interface has it: numbers add up, lists join."""
        total = self.answer.summed
        for name, value in data.items():
            if isinstance(value, list):
                before = total.get(name)
                total[name] = [*(before if isinstance(before, list) else ()), *value]
            elif isinstance(value, int) and not isinstance(value, bool):
                before = total.get(name)
                total[name] = value + (before if isinstance(before, int) else 0)
            else:
                total[name] = value


def _check_shape(response: Response, request: Request) -> None:
    """Raise what an answer means that cannot be read: the rows' fate is open, or they were refused."""
    odd = misshapen(response.data)
    if not odd:
        return
    kind = {400: InvalidRequest, 403: PermissionDenied}.get(response.status, BadAnswer)
    raise kind(
        f"PUT {request.path} was answered {response.status} with {odd}.",
        request=request, response=response, attempts=response.attempts, detail=response.text[:2000],
    )  # fmt: skip


def _answered(request: Request) -> Flow[Response]:
    response: Response = yield request
    return response


def _kind(resource: Resource, row: Mapping[str, Any]) -> Kind:
    if not comparable_keys(resource, row):
        return "keyless"
    return "appending" if appends(row) else "keyed"


def _contradict(resource: Resource, left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    mine, theirs = dict(comparable_keys(resource, left)), dict(comparable_keys(resource, right))
    return any(theirs.get(wire, value) != value for wire, value in mine.items())


def _by_bytes(rows: list[_Row]) -> Iterator[list[_Row]]:
    """Cut where the body would grow over the limit; a row that is too large alone still goes alone."""
    part: list[_Row] = []
    size = 0
    for row in rows:
        if part and size + len(row.body) + 1 > MAX_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row.body) + 1
    if part:
        yield part
