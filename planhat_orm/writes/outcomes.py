"""What became of the entries of one push: noted in the outbox as soon as it is known, and kept for the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from ..errors import BulkError, PlanhatError
from ..http.effects import Flow
from ..models.conflict import Conflict
from ..runtime import TEMPORARY
from ..wire import creating
from ..wire.failures import may_be_done
from .outbox import OutboxEntry, OutboxSession, Raw, on_outbox

UNSURE = ("inflight", "unknown")
"""States of an entry that may have been carried out."""


class EntryOutcome(Struct):
    """What became of one entry."""

    status: str
    error: str = ""
    id: str | None = None
    conflicts: tuple[Conflict, ...] = ()
    read: Raw | None = None


class Acknowledged(NamedTuple):
    """An entry that is done, the id of its record and what that now is; `read` is what the server said of all of it."""

    entry: OutboxEntry
    status: str
    id: str | None = None
    row: Raw | None = None
    read: Raw | None = None


class Conflicting(NamedTuple):
    """The conflicts of an entry, what the server holds of its fields, and why it is held back if that is not plain."""

    conflicts: tuple[Conflict, ...]
    theirs: Raw
    error: str = ""


class Findings(Struct):
    """What became of some entries, by what is to be noted of it: they are done, held back, in doubt, or refused.

    `dropped` are those of the refused ones that the server ignored without a word.
    """

    done: list[Acknowledged] = []
    held: dict[int, Conflicting] = {}
    unknown: dict[int, str] = {}
    failed: dict[int, str] = {}
    dropped: set[int] = set()


class Outcomes(Struct):
    """The outcomes so far, by entry, and the ids that new records got, by their temporary ones.

    `crossed` are records, by resource and id, of which answers came in another order than they were given, perhaps.
    Without `keep_failed` the outbox forgets what failed: whoever wanted it gets the result.
    """

    session: OutboxSession
    keep_failed: bool = True
    by_seq: dict[int, EntryOutcome] = {}
    aliases: dict[str, str] = {}
    crossed: set[tuple[str, str]] = set()

    def note(self, findings: Findings) -> Flow[None]:
        """Note all that was found out about some entries."""
        yield from self.acknowledge(findings.done)
        yield from self.hold(findings.held)
        yield from self.doubt(findings.unknown)
        yield from self.fail(findings.failed, findings.dropped)

    def acknowledge(self, entries: Sequence[Acknowledged]) -> Flow[None]:
        """Entries are done. One whose new record has no id yet stays in the outbox, for a later push to find it."""
        done: list[tuple[int, str | None, Raw | None]] = []
        nameless: dict[int, str] = {}
        existed: set[int] = set()
        for entry, status, id, row, read in entries:
            if id is not None and entry.record.startswith(TEMPORARY):
                self.aliases[entry.record] = id
            self.by_seq[entry.seq] = EntryOutcome(status, id=id, read=read)
            makes = entry.makes
            if id is None and makes:
                nameless[entry.seq] = "its id could not be read"
            else:
                done.append((entry.seq, id, row))
            if makes and status != "created":
                existed.add(entry.seq)
        if done:
            self.crossed.update((yield from on_outbox(self.session, self.session.acknowledge, done, existed)))
            # Not before: an entry whose acknowledgement fails is looked for, and must find the record that it made.
            creating.remember_made(
                [entry.id for entry in entries if entry.status == "created" and entry.id is not None]
            )
        yield from self._mark(nameless, "unknown")

    def hold(self, conflicts: Mapping[int, Conflicting]) -> Flow[None]:
        """Entries conflict with the server's record: in what, and what that holds of their fields."""
        noted: dict[int, tuple[str, Raw]] = {}
        for seq, (fields, theirs, error) in conflicts.items():
            names = ", ".join(conflict.name for conflict in fields)
            error = error or f"{names} changed on the server too: push with on_conflict, or discard it"
            noted[seq] = (error, theirs)
            self.by_seq[seq] = EntryOutcome("failed", error, conflicts=fields)
        if noted:
            yield from on_outbox(self.session, self.session.mark_conflicts, noted)

    def doubt(self, errors: Mapping[int, str]) -> Flow[None]:
        """Entries may have been carried out; why that is not known."""
        self.by_seq.update((seq, EntryOutcome("unknown", error)) for seq, error in errors.items())
        yield from self._mark(errors, "unknown")

    def fail(self, errors: Mapping[int, str], dropped: Iterable[int] = ()) -> Flow[None]:
        """Entries were refused, or silently dropped, and why."""
        self.by_seq.update((seq, EntryOutcome("failed", error)) for seq, error in errors.items())
        for seq in dropped:
            self.by_seq[seq].status = "dropped"
        if self.keep_failed:
            yield from self._mark(errors, "failed")
        elif errors:
            yield from on_outbox(self.session, self.session.cancel, errors)

    def postpone(self, entries: Sequence[OutboxEntry], error: str) -> Flow[None]:
        """The server did not look at entries: a push leaves them for the next, whoever else sends them is told."""
        unsure = {entry.seq: error for entry in entries if entry.state in UNSURE and entry.seq not in self.by_seq}
        errors = {entry.seq: error for entry in entries}
        if self.keep_failed:
            self._note_waiting(errors)
            return
        yield from self.doubt(unsure)
        yield from self.fail({seq: error for seq, error in errors.items() if seq not in unsure})

    def give_back(self, entries: Sequence[OutboxEntry], error: str) -> Flow[None]:
        """Let entries that were marked as travelling wait again: the server did not look at them."""
        errors = {entry.seq: error for entry in entries}
        if not self.keep_failed:
            yield from self.fail(errors)
            return
        self._note_waiting(errors)
        yield from self._mark(errors, "pending")

    def _note_waiting(self, errors: Mapping[int, str]) -> None:
        self.by_seq.update(
            (seq, EntryOutcome("failed", f"not sent, so it still waits. {error}")) for seq, error in errors.items()
        )

    def _mark(self, errors: Mapping[int, str], state: str) -> Flow[None]:
        if errors:
            yield from on_outbox(self.session, self.session.mark, errors, state)


def is_lost(failure: PlanhatError) -> bool:
    """Whether a failed write may have been carried out all the same."""
    if isinstance(failure, BulkError):
        return bool(failure.result.unknown)
    return may_be_done(failure)
