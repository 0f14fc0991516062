"""What became of the entries of one push: told to the outbox as soon as it is known, and kept for the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..http.effects import Flow, RunBlocking
from ..models.conflict import Conflict
from ..runtime import TEMPORARY

Raw = dict[str, Any]


class OutboxEntry(Protocol):
    """An entry of the outbox, as far as sending it goes."""

    seq: int
    op: str
    resource: str
    record: str
    patch: Raw
    base: Raw
    state: str
    created_at: str
    sent_at: str | None
    makes: Any


class OutboxSession(Protocol):
    """What pushing needs of an outbox that it has in hand."""

    def claim(self, *states: str, seqs: Iterable[int] | None = None) -> list[Any]:
        """Take entries in hand."""
        ...

    def made_here(self, ids: Iterable[str]) -> set[str]:
        """Those of some ids that are known to be made through this outbox."""
        ...

    def send(self, patches: Mapping[int, tuple[Raw, Raw, Raw | None]]) -> set[int]:
        """Note that entries travel: patch, base and what the server holds; return those still in this hand."""
        ...

    def mark(self, errors: Mapping[int, str], state: str) -> None:
        """Note how far entries are."""
        ...

    def mark_conflicts(self, conflicts: Mapping[int, tuple[str, Raw]]) -> None:
        """Hold entries back, with what the server holds of their fields."""
        ...

    def acknowledge(self, finished: Iterable[tuple[int, str | None, Raw | None]]) -> None:
        """Forget acknowledged entries."""
        ...

    def cancel(self, seqs: Iterable[int]) -> None:
        """Forget entries and undo what the mirror shows of them."""
        ...


@dataclass(slots=True)
class EntryOutcome:
    """What became of one entry."""

    status: str
    error: str = ""
    id: str | None = None
    conflicts: tuple[Conflict, ...] = ()


@dataclass(slots=True)
class Ledger:
    """The outcomes so far, by entry, and the ids that new records got, by their temporary ones.

    Without `keep_failed` the outbox forgets what failed: whoever wanted it is there to be told.
    """

    box: OutboxSession
    keep_failed: bool = True
    outcome: dict[int, EntryOutcome] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def ack(self, acked: Sequence[tuple[OutboxEntry, str, str | None, Raw | None]]) -> Flow[None]:
        """Entries are done: their status, the id of their record, and what that now is."""
        if not acked:
            return
        for entry, status, id, _ in acked:
            if id is not None and entry.record.startswith(TEMPORARY):
                self.aliases[entry.record] = id
            self.outcome[entry.seq] = EntryOutcome(status, id=id)
        yield RunBlocking(lambda: self.box.acknowledge([(entry.seq, id, row) for entry, _, id, row in acked]))

    def mark_conflicts(self, held: dict[int, tuple[tuple[Conflict, ...], Raw]]) -> Flow[None]:
        """Entries clash with the server's record: in what, and what that holds of their fields."""
        noted: dict[int, tuple[str, Raw]] = {}
        for seq, (conflicts, theirs) in held.items():
            names = ", ".join(conflict.name for conflict in conflicts)
            noted[seq] = (f"{names} changed on the server too: push with on_conflict, or discard it", theirs)
            self.outcome[seq] = EntryOutcome("failed", noted[seq][0], conflicts=conflicts)
        if noted:
            yield RunBlocking(lambda: self.box.mark_conflicts(noted))

    def unknown(self, errors: dict[int, str]) -> Flow[None]:
        """Entries may have been carried out; why that is not known."""
        self.outcome.update((seq, EntryOutcome("unknown", error)) for seq, error in errors.items())
        if errors:
            yield RunBlocking(lambda: self.box.mark(errors, "unknown"))

    def fail(self, errors: dict[int, str], dropped: Iterable[int] = ()) -> Flow[None]:
        """Entries were refused, or silently dropped, and why."""
        self.outcome.update((seq, EntryOutcome("failed", error)) for seq, error in errors.items())
        for seq in dropped:
            self.outcome[seq].status = "dropped"
        if errors and self.keep_failed:
            yield RunBlocking(lambda: self.box.mark(errors, "failed"))
        elif errors:
            yield RunBlocking(lambda: self.box.cancel(errors))

    def postpone(self, entries: Sequence[OutboxEntry], error: str) -> None:
        """Leave entries as they are: the next push will send them."""
        self.outcome.update(
            (entry.seq, EntryOutcome("failed", f"not sent, so it still waits. {error}")) for entry in entries
        )

    def give_back(self, entries: Sequence[OutboxEntry], error: str) -> Flow[None]:
        """Let entries that the server did not look at wait again."""
        if not entries:
            return
        errors = {entry.seq: error for entry in entries}
        if not self.keep_failed:
            yield from self.fail(errors)
            return
        self.postpone(entries, error)
        yield RunBlocking(lambda: self.box.mark(errors, "pending"))
