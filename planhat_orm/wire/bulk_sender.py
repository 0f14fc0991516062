"""Sends the rows of bulk upserts, and finds out what became of every one of them.

Only three things are certain of an answer: a name, a count that closes, and what it says of a row that was alone. An
error is about no row for certain, as a text may quote the key of another one. So what an answer leaves open is asked
for again: keyed rows find what they stored, and a row alone gets a clear answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from ..errors import (
    AuthenticationError,
    BadAnswer,
    ConnectionFailed,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestError,
    ServerError,
    message_in,
)
from ..http.effects import Flow, Request, Response
from . import find_by_keys, paths
from .bulk_rows import BulkRow, RowKind, by_bytes, kind_of, merged_rows
from .content_match import pair
from .creating import remember_made
from .failures import reason
from .key_locks import hold_keys
from .keys import keys_beside_id
from .newest import made_at, newest
from .outcomes import ERROR_LISTS, Outcome, Reading, Status, dropped_reason, gone_reason, misshapen, read
from .records import find
from .resources import Resource

MAX_EXTRA_REQUESTS = 400
"""How many requests may go into finding the bad rows among good ones, so that a file of bad rows stays cheap."""
_MOST_ASKED_SINGLY = 20
_FAILURES = 6
_NO_ERRORS: dict[str, list[Any]] = {name: [] for name in ERROR_LISTS}
_UNTOLD = "The server did not say what became of the row."


class BulkAnswer(Struct):
    """An outcome for every row in the order of the rows, and the server's answers summed up."""

    outcomes: list[Outcome] = []
    summed: dict[str, Any] = {}
    requests: int = 0


class BulkSender(Struct):
    """Sends the chunks of one bulk write and fills in the outcomes."""

    resource: Resource
    answer: BulkAnswer
    remember: bool = True
    refused: RequestError | None = None
    down: bool = False
    extra: int = 0
    made: set[str] = set()
    changed: set[str] = set()
    untold: bool = False

    def send(self, start: int, chunk: Sequence[Mapping[str, Any]]) -> Flow[None]:
        """Send one chunk of rows, as one request if their bytes fit and all are of one kind."""
        groups: dict[RowKind, list[BulkRow]] = {"keyed": [], "appending": [], "keyless": []}
        for row in merged_rows(self.resource, start, chunk, self._refuse):
            groups[kind_of(row)].append(row)
        for kind, group in groups.items():
            for part in by_bytes(group):
                yield from self._deliver(part, kind)

    def _refuse(self, row: BulkRow, error: str) -> None:
        self._settle([row], "failed", error)

    def _deliver(self, rows: list[BulkRow], kind: RowKind, *, hints: bool = True) -> Flow[None]:
        """Send rows as one request and settle them, in parts where the answer leaves something open or never comes.

        Without `hints` the rows that an answer seems to speak of are not sent apart: it was wrong about that before.
        """
        lost = yield from self._try(rows, kind, idempotent=kind == "keyed", hints=hints)
        if lost is None:
            return
        if kind == "keyed" and len(rows) > 1 and not self.down:
            yield from self._search(rows, lost)
        else:
            self._settle(rows, "unknown", reason(lost))

    def _try(
        self, rows: list[BulkRow], kind: RowKind, *, idempotent: bool, doubtful: bool = False, hints: bool = True
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
        for row in rows:
            row.tries += 1
        try:
            held = [key for row in rows for key in keys_beside_id(self.resource, row.row)]
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
            for row in rows:
                row.tries += response.attempts - 1
            yield from self._settle_by(rows, response, kind, hints)
        return None

    def _search(self, rows: list[BulkRow], lost: RequestError) -> Flow[None]:
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

    def _halve(self, rows: list[BulkRow], kind: RowKind, status: Status, error: str) -> Flow[None]:
        """Send rows again in two parts; a row that is alone, or too dear to look at, gets `status` and `error`."""
        if len(rows) == 1:
            return self._settle(rows, status, error)
        self.extra += 2
        if self.extra > MAX_EXTRA_REQUESTS:
            return self._settle(rows, status, f"{error} (one of {len(rows)} rows that were not looked at singly)")
        middle = len(rows) // 2
        yield from self._deliver(rows[:middle], kind)
        yield from self._deliver(rows[middle:], kind)

    def _settle_by(self, rows: list[BulkRow], response: Response, kind: RowKind, hints: bool) -> Flow[None]:
        """Settle rows by what an answer says for certain: a name, a count that closes, or a row that was alone.

        The others are asked for again, in parts, where that does no harm.
        """
        data: dict[str, Any] = response.data
        reading = read(self.resource, [row.row for row in rows], data)
        for place, outcome in reading.outcomes.items():
            self._settle([rows[place]], outcome.status, outcome.error, outcome.id, told=True)
        left = [rows[place] for place in reading.open]
        self.made.update(reading.created_ids)
        self.changed.update(reading.updated_ids)
        self.untold |= len(reading.created_ids) < reading.created_unnamed
        self.untold |= len(reading.updated_ids) < reading.updated_unnamed
        refused = response.status in (400, 403) and not reading.stored
        error_text = "; ".join(dict.fromkeys(reading.errors)) or (message_in(response.text)[:500] if refused else "")
        if not left or (yield from self._settle_counted(rows, left, reading, kind, error_text, response.status)):
            return self._sum(data)
        if kind == "keyed":
            left = yield from self._drop_gone(left, reading)
        if kind == "keyed" or refused:
            self._sum({} if refused else {**data, "nonupdates": 0}, errors=False)
            suspects = [rows[place] for place in reading.suspects] if hints else []
            return (yield from self._ask_again(left, suspects, kind, "failed" if refused else "unknown", error_text))
        self._sum(data)
        if kind == "keyless":
            yield from self._match_created(left, reading.created_unnamed, reading.created_ids, reading.errors)
        else:
            self._settle(left, "unknown", error_text or _UNTOLD)

    def _settle_counted(
        self,
        rows: list[BulkRow],
        left: list[BulkRow],
        reading: Reading,
        kind: RowKind,
        error_text: str,
        http_status: int,
    ) -> Flow[bool]:
        """Settle the rows that an answer does not name where its counts, or a row alone, tell; whether that was so."""
        refused = http_status in (400, 403) and not reading.stored
        alone, by_id = len(rows) == 1, [row for row in left if row.row.get("_id")]
        if reading.all_stored and reading.created_unnamed and by_id:
            if not alone:
                return False
            gone = str(left[0].row["_id"])
            self._settle(left, "failed", gone_reason(self.resource, gone, *reading.created_ids))
        elif reading.all_stored:
            yield from self._settle_stored(left, reading, kind)
        elif alone and (reading.errors or refused):
            self._settle(left, "unknown" if reading.stored else "failed", error_text)
        elif reading.stored_unnamed and not alone:
            return False
        elif reading.stored_unnamed:
            self._settle(left, "unknown", _UNTOLD)
        elif http_status == 403 and refused and not reading.suspects:
            self._settle(left, "failed", error_text)
        elif len(reading.errors) >= len(left):
            return self._settle_failed(rows, left, reading, error_text)
        elif reading.errors or refused:
            return False
        elif reading.unchanged is None:
            self._settle(left, "unknown", _UNTOLD)
        else:
            for row in left:
                self._settle([row], "dropped", dropped_reason(self.resource, row.row))
        return True

    def _settle_failed(self, rows: list[BulkRow], left: list[BulkRow], reading: Reading, error_text: str) -> bool:
        """Settle rows of which none is stored, by the counts; False where few enough can each get their own word."""
        words = {id(rows[place]): "; ".join(dict.fromkeys(said)) for place, said in reading.suspects.items()}
        if len(set(reading.errors)) > 1 and len(words) < len(left) and 1 < len(left) <= _MOST_ASKED_SINGLY:
            return False
        for row in left:
            self._settle([row], "failed", words.get(id(row), error_text))
        return True

    def _settle_stored(self, left: list[BulkRow], reading: Reading, kind: RowKind) -> Flow[None]:
        """Settle rows that are all stored, as the counts say, but are not named."""
        counts = (("created", reading.created_unnamed), ("updated", reading.updated_unnamed))
        fates = [status for status, count in (*counts, ("unchanged", reading.unchanged)) if count]
        if kind == "keyless":
            yield from self._match_created(left, reading.created_unnamed, reading.created_ids, reading.errors)
        elif len(fates) == 1 and not (fates[0] == "unchanged" and any(row.doubtful for row in left)):
            self._settle(left, fates[0], told=True)
        else:
            yield from self._tell_apart(left, mixed=len(fates) > 1)

    def _tell_apart(self, left: list[BulkRow], *, mixed: bool) -> Flow[None]:
        """Tell rows that were created, updated or found equal by the ids of the answers: the rows' are read by key.

        Where that fails they are called updated: they are stored.
        """
        found: Sequence[Mapping[str, Any] | None] = [None] * len(left)
        with suppress(RequestError):
            found = yield from find_by_keys.find(self.resource, [row.row for row in left])
        for row, record in zip(left, found, strict=True):
            id = row.row.get("_id") or (record or {}).get("_id")
            equal = (id is not None and not self.untold) or not (mixed or row.doubtful)
            status = "created" if id in self.made else "updated" if id in self.changed or not equal else "unchanged"
            self._settle([row], status, id=id)

    def _drop_gone(self, left: list[BulkRow], reading: Reading) -> Flow[list[BulkRow]]:
        """Fail those rows of records that are gone, and return the others: sent again, each makes one fragment more.

        One GET for each row with an `_id`, and none where every record that was made is named.
        """
        gone: list[BulkRow] = []
        there = left
        if reading.created_unnamed:
            there = [row for row in left if not row.row.get("_id")]
            for row in left:
                if row.row.get("_id"):
                    yield from self._look_up(row, gone, there)
            yield from self._name_fragments(gone, reading.created_ids)
        for row in there:
            row.doubtful = row.doubtful or bool(reading.created_unnamed or reading.updated_unnamed)
        return there

    def _look_up(self, row: BulkRow, gone: list[BulkRow], there: list[BulkRow]) -> Flow[None]:
        """Sort a row by whether its record is there."""
        self.extra += 1
        if self.extra > MAX_EXTRA_REQUESTS:
            return self._settle([row], "unknown", _UNTOLD)
        try:
            record = yield from find(self.resource, str(row.row["_id"]))
        except RequestError as failure:
            return self._settle([row], "unknown", reason(failure))
        (gone if record is None else there).append(row)

    def _name_fragments(self, gone: list[BulkRow], ids: list[str]) -> Flow[None]:
        pairs = pair((yield from self._read(ids)), [row.row for row in gone], self.resource) if gone else {}
        for place, row in enumerate(gone):
            made = [pairs[place]] if place in pairs else ids
            self._settle([row], "failed", gone_reason(self.resource, str(row.row["_id"]), *made))

    def _ask_again(
        self, left: list[BulkRow], suspects: list[BulkRow], kind: RowKind, status: Status, error_text: str
    ) -> Flow[None]:
        """Send rows again whose fate is open: those that the errors seem to speak of apart from the others."""
        chosen = set(map(id, suspects))
        others = [row for row in left if id(row) not in chosen]
        suspects = [row for row in left if id(row) in chosen]
        if len(left) == 1:
            self.extra += 1
            yield from self._deliver(left, kind)
        elif not suspects or not others or self.extra + 2 > MAX_EXTRA_REQUESTS:
            yield from self._halve(left, kind, status, error_text or _UNTOLD)
        else:
            self.extra += 2
            yield from self._deliver(others, kind, hints=False)
            yield from self._deliver(suspects, kind)

    def _match_created(self, rows: list[BulkRow], count: int, ids: list[str], errors: list[str]) -> Flow[None]:
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
        """The records of `ids`, which are new: the newest ones of the list, back to the first of them."""
        if not ids or "list" not in self.resource.operations:
            return []
        first, chosen = min(made_at({"_id": id}) for id in ids), frozenset(ids)

        def since(response: Response) -> Flow[float]:
            return first
            yield

        try:
            recent = yield from newest(self.resource, since, limit=len(ids) + 100, wanted=chosen)
        except RequestError:
            return []
        return [record for record in recent if record.get("_id") in chosen]

    def _settle(
        self,
        rows: Sequence[BulkRow],
        status: Any,
        error: str = "",
        id: str | None = None,
        *,
        not_processed: bool = False,
        told: bool = False,
    ) -> None:
        """Note what became of rows; `told` where an answer says so of just them."""
        if id is not None and status == "created" and self.remember:
            remember_made([id])
        for row in rows:
            for place in row.places:
                outcome = self.answer.outcomes[place]
                outcome.merged = place != row.places[0]
                outcome.status = status
                outcome.existed = told and row.tries == 1 and status in ("updated", "unchanged")
                outcome.error = error
                outcome.not_processed = not_processed and status == "failed"
                outcome.id = id or outcome.id or row.row.get("_id")

    def _sum(self, data: Mapping[str, Any], *, errors: bool = True) -> None:
        """Add an answer to the total, as CRUDs' interface has it: numbers add up, lists join.

        Without `errors` those that it has are left out: their rows are sent again.
        """
        total = self.answer.summed
        data = data if errors else {**data, **_NO_ERRORS}
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
