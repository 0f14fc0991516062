"""The memory: what undoes each change of a record, whose change it was, and in which order the mirror saw them.

A change is kept as what turns the record back, so the past is the present with the later changes undone. Its kind is
read off the record before and after; its order and its time are the clock's. A record is a number: it keeps that when
a temporary id gives way to the one that Planhat gave it, and when it comes back after it was deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, insert, select

from ...json_encoding import rewrite
from ...runtime import TEMPORARY
from ...wire.patches import same
from . import clock, tables
from .json_text import read_cell

T = TypeVar("T")
Raw = dict[str, Any]
_CHUNK = 500
CUSTOM = "custom."
RESET = "reset"
FEED = "feed"
"""The key of `mirror_meta` that names the mirror's changes."""
_PRUNED = "pruned_to"


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """What the changes of a transaction are noted with: the sync that made them."""

    run: int | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """What of a record's change is ours: `fields` by wire name (`custom.Label`), or with `whole` all of it.

    `entry` is the number of the outbox's entry, `op` the save, batch or job that it is part of.
    """

    fields: frozenset[str] = frozenset()
    whole: bool = False
    entry: int | None = None
    op: str | None = None

    def and_also(self, other: Own) -> Own:
        """This and another write of the same record, in one transaction."""
        fields, whole = self.fields | other.fields, self.whole or other.whole
        return Own(fields, whole, other.entry or self.entry, other.op or self.op)


NOT_OURS = Own()


@dataclass(frozen=True, slots=True)
class Note:
    """One change as it is kept; `reverse` is None for a record that there was not before."""

    id: str
    kind: str
    reverse: Raw | None = field(repr=False)
    origin: str
    own: Own = NOT_OURS


# --- one record ------------------------------------------------------------------------------------------


def notes_of(id: str, before: Raw | None, after: Raw | None, own: Own = NOT_OURS) -> Iterator[Note]:
    """What a change of a record is kept as; nothing, where nothing changed.

    What others changed and what is ours are two notes, theirs first. A record is ours as a whole where we made,
    deleted or discarded it.
    """
    origin = "mine" if own.whole else "theirs"
    if before is None or after is None:
        if before is not None or after is not None:
            kind, reverse = ("created", None) if before is None else ("deleted", {"set": before})
            yield Note(id, kind, reverse, origin, own)
        return
    between = before if own.whole else _others_first(before, after, own.fields)
    for state, then, whose in ((between, before, "theirs"), (after, between, "mine")):
        reverse = difference(state, then)
        if reverse is not None:
            yield Note(id, "updated", reverse, whose, own)


def _others_first(before: Raw, after: Raw, ours: Collection[str]) -> Raw:
    """The record as it is after what others changed of it, and before what is ours."""
    if not ours:
        return after
    between = {key: value for key, value in after.items() if key not in ours}
    between.update((key, before[key]) for key in ours if key in before)
    was, now = before.get("custom"), after.get("custom")
    labels = {name.removeprefix(CUSTOM) for name in ours if name.startswith(CUSTOM)}
    if not labels or "custom" in ours:
        return between
    if not all(custom is None or isinstance(custom, dict) for custom in (was, now)):
        return _with_custom(between, before)
    custom = {label: value for label, value in (now or {}).items() if label not in labels}
    custom.update((label, was[label]) for label in labels if was and label in was)
    if custom or (was and isinstance(now, dict)):
        return {**between, "custom": custom}
    # Without a label: nothing, null or an empty object.
    return _with_custom(between, after if was else before)


def _with_custom(row: Raw, other: Raw) -> Raw:
    """A record with the custom fields of another."""
    bare = {key: value for key, value in row.items() if key != "custom"}
    return {**bare, "custom": other["custom"]} if "custom" in other else bare


def difference(now: Raw, before: Raw) -> Raw | None:
    """What turns `now` back into `before`: `{"set": {...}, "unset": [...]}`, `custom` key by key; None if equal."""
    reverse: Raw = {}
    values = {key: value for key, value in before.items() if key not in now or not same(now[key], value)}
    unset = [key for key in now if key not in before]
    if "custom" in values and isinstance(before["custom"], dict) and isinstance(now.get("custom"), dict):
        del values["custom"]
        reverse["custom"] = difference(now["custom"], {**before["custom"]})
    if values:
        reverse["set"] = values
    if unset:
        reverse["unset"] = unset
    return reverse or None


def undo(now: Raw, reverse: Raw) -> Raw:
    """Apply what `difference` returned."""
    before = {key: value for key, value in now.items() if key not in reverse.get("unset", ())}
    before.update(reverse.get("set", {}))
    if "custom" in reverse:
        before["custom"] = undo(now["custom"], reverse["custom"])
    return before


def before_change(now: Raw | None, reverse: str | None) -> Raw | None:
    """The record before a change, by its row's `reverse`; None where there was none."""
    return None if reverse is None else undo(now or {}, read_cell(reverse))


def moved(reverse: Raw) -> list[str]:
    """The wire names of the fields that a change touched; `custom.Label` for custom ones."""
    names = [*reverse.get("set", {}), *reverse.get("unset", ())]
    if reverse.get("custom"):
        names += [f"{CUSTOM}{label}" for label in moved(reverse["custom"])]
    return names


def flat_names(patch: Mapping[str, Any]) -> frozenset[str]:
    """The names of the fields that a patch sets; `custom.Label` for custom ones."""
    names = {name for name in patch if name != "custom" or not isinstance(patch[name], Mapping)}
    if "custom" not in names:
        names |= {f"{CUSTOM}{label}" for label in patch.get("custom", ())}
    return frozenset(names)


# --- many records ----------------------------------------------------------------------------------------


def write_notes(connection: Connection, resource: str, notes: Sequence[Note], log: ChangeLog) -> None:
    """Keep changes, in their order."""
    if not notes:
        return
    instant = clock.tick(connection)
    numbers = rids(connection, resource, {note.id for note in notes})
    connection.execute(
        insert(tables.changes),
        [
            {
                "n": instant.n,
                "resource": resource,
                "rid": numbers[note.id],
                "kind": note.kind,
                "reverse": None if note.reverse is None else rewrite(note.reverse).decode(),
                "at": instant.at,
                "origin": note.origin,
                "op": note.own.op,
                "entry": note.own.entry,
                "run": log.run,
            }
            for note in notes
        ],
    )


def write_reset(connection: Connection, resource: str, run: int | None = None) -> None:
    """Note that records of a table were written without a memory of what they were: the past begins here."""
    instant, log = clock.tick(connection), tables.changes
    connection.execute(delete(log).where(log.c.resource == resource, log.c.rid.is_(None)))
    values = {"n": instant.n, "at": instant.at, "resource": resource, "kind": RESET, "origin": "theirs", "run": run}
    connection.execute(insert(log), [values])


def resets(connection: Connection) -> dict[str, tuple[int, int]]:
    """The `seq` and the time of the last reset of each table that has one."""
    log = tables.changes.c
    rows = connection.execute(select(log.resource, log.seq, log.at).where(log.kind == RESET).order_by(log.seq))
    return {resource: (seq, at) for resource, seq, at in rows}


def note_pruned(connection: Connection, seq: int, at: int) -> None:
    """Note that the changes up to a number, the last of which was seen at a time, are known no longer."""
    connection.execute(delete(tables.meta).where(tables.meta.c.key == _PRUNED))
    connection.execute(insert(tables.meta), [{"key": _PRUNED, "value": f"{seq} {at}"}])


def pruned_to(connection: Connection) -> tuple[int, int]:
    """The number of the last change that was pruned, and when that was seen; zeros where none was."""
    noted = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == _PRUNED)).scalar()
    seq, at = map(int, (noted or "0 0").split())
    return seq, at


def named(connection: Connection, resource: str, ids: Iterable[str]) -> dict[str, int]:
    """The numbers of the records of some ids, of those that have one."""
    names, found = tables.names.c, dict[str, int]()
    for part in chunks(list(ids)):
        rows = connection.execute(select(names.id, names.rid).where(names.resource == resource, names.id.in_(part)))
        found.update((id, rid) for id, rid in rows)
    return found


def rids(connection: Connection, resource: str, ids: Collection[str]) -> dict[str, int]:
    """The numbers of the records of some ids; those without one get the next ones."""
    found = named(connection, resource, ids)
    new = [id for id in ids if id not in found]
    if new:
        last = connection.execute(select(func.max(tables.names.c.rid))).scalar() or 0
        given = {id: last + place for place, id in enumerate(sorted(new), 1)}
        values = [{"resource": resource, "id": id, "rid": rid} for id, rid in given.items()]
        connection.execute(insert(tables.names), values)
        found.update(given)
    return found


def rename(connection: Connection, resource: str, names: Mapping[str, str]) -> None:
    """Let new ids, which no record had, name the records of old ones: `{new: old}`."""
    numbers = rids(connection, resource, set(names.values()))
    values = [{"resource": resource, "id": new, "rid": numbers[old]} for new, old in names.items()]
    if values:
        connection.execute(insert(tables.names), values)


def ids_of(connection: Connection, numbers: Collection[int]) -> dict[int, list[str]]:
    """Every id that the records of some numbers ever had, temporary ones first."""
    names, found = tables.names.c, dict[int, list[str]]()
    for part in chunks(list(numbers)):
        for rid, id in connection.execute(select(names.rid, names.id).where(names.rid.in_(part))):
            found.setdefault(rid, []).append(id)
    for known in found.values():
        known.sort(key=lambda id: not id.startswith(TEMPORARY))
    return found


def chunks(items: Sequence[T], size: int = _CHUNK) -> Iterator[Sequence[T]]:
    """Parts of a list, of a size that fits into one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
