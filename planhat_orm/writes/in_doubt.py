"""New records whose key may be taken by now: looked up, and compared, before anything is sent.

Their entry was in flight when the process died or the answer was lost, or was held back as its key was somebody's. The
record that has the key is ours where it is no older than what was seen before and says what was sent. Else nobody
can tell whether we made it and others changed it, or others made it: that is a conflict, for a policy to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from ..http.effects import Flow
from ..models.conflict import Conflict, conflict_of
from ..models.results import Policy
from ..runtime import Source
from ..wire import find_by_keys
from ..wire.keys import key_names
from ..wire.new_records import is_older, merge_new, upsert_of
from ..wire.patches import merged, under
from ..wire.resources import Resource
from . import server_state
from .conflicts import resolve
from .outbox import OutboxEntry, Raw
from .outcomes import UNSURE, Acknowledged, Conflicting, Findings


class Verdict(Struct):
    """What is to become of entries. `there` is what the server holds of those that are sent to a record that exists."""

    send: list[OutboxEntry] = []
    absent: list[OutboxEntry] = []
    findings: Findings = field(default_factory=Findings)
    there: dict[int, Raw] = {}


def judge(known: Resource, entries: Sequence[OutboxEntry], source: Source, check: Policy | None) -> Flow[Verdict]:
    """Look the keys of new records up, and say what is to become of each. `check` decides conflicts.

    A GET for each, or the list of keys and that of the fields where that is fewer.
    """
    verdict = Verdict()
    found = yield from _records(known, entries, source)
    for entry, record in zip(entries, found, strict=True):
        if record is None:
            verdict.absent.append(entry)
        elif not is_older(record, entry.floor_id) or entry.state not in UNSURE:
            _compare(known, entry, record, check, verdict)
        elif entry.op == "create":
            verdict.findings.failed[entry.seq] = taken(known, entry)
        else:
            # It was there before, and was to be changed whatever it said.
            verdict.there[entry.seq] = record
            verdict.send.append(entry)
    return verdict


def _records(known: Resource, entries: Sequence[OutboxEntry], source: Source) -> Flow[list[Raw | None]]:
    """The record that has an entry's key, with the fields that the entry sends; None where there is none."""
    found = yield from find_by_keys.find_now(known, [entry.patch for entry in entries])
    ids = {row["_id"] for row in found if row is not None and row.keys() <= {"_id", *known.keys}}
    rows = yield from server_state.current(source, known.name, ids, {wire for entry in entries for wire in entry.patch})
    return [None if row is None else merged(row, rows.get(row["_id"], {})) for row in found]


def _compare(known: Resource, entry: OutboxEntry, record: Raw, check: Policy | None, verdict: Verdict) -> None:
    merge, id = merge_new(known, entry.patch, record), str(record["_id"])
    if merge.clashes and check == "raise":
        conflicts = tuple(conflict_of(entry, clash) for clash in merge.clashes)
        verdict.findings.held[entry.seq] = Conflicting(
            conflicts, under(record, entry.patch), _clash(known, entry, conflicts)
        )
        return
    status = "unchanged" if merge.clashes or entry.state not in UNSURE else "created"
    resolve(merge, check or "ours", entry)
    if merge.send:
        entry.patch = upsert_of(known, entry.patch, merge.send)
        verdict.there[entry.seq] = record
        verdict.send.append(entry)
        return
    verdict.findings.done.append(Acknowledged(entry, status, id, record, record))


def _clash(known: Resource, entry: OutboxEntry, conflicts: Iterable[Conflict]) -> str:
    names = ", ".join(conflict.name for conflict in conflicts)
    return (
        f"a record with this {key_names(known, entry.patch)} is there by now, with another {names}: push with "
        f"on_conflict, or discard it"
    )


def taken(known: Resource, entry: OutboxEntry) -> str:
    """Why a record is not made whose key another one has."""
    return f"a record with this {key_names(known, entry.patch)} exists already"


def beaten(known: Resource, entry: OutboxEntry, id: str | None) -> str:
    """Why a record was not made whose key another one got between the look for it and the sending."""
    return (
        f"somebody else made a record with this {key_names(known, entry.patch)} at the same moment ({id}): what was "
        f"sent is on that one now. Read it, and discard this"
    )
