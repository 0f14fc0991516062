"""Whether the server still holds what undoing goes out from: asked for the plan, and again before it is applied."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from ..errors import NotFound, PermissionDenied
from ..http.effects import Flow
from ..models.base import Model
from ..models.conflict import Conflict, conflict_of
from ..models.labels import label_of
from ..models.reversal import CUSTOM, Reversal, flat
from ..runtime import Client
from ..wire.patches import Clash, Raw, alike, base_of
from ..wire.references import unexpanded
from . import server_state
from .referring import Reference, referring

Place = tuple[str, str]
"""The resource and id of a record."""


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """What is not undone, and why. `name` is the field's, empty where all of the record is meant.

    `wrote` is what was written, `now` what Planhat holds.
    """

    object: Any
    name: str
    why: str = field(repr=False)
    wrote: Any = field(default=None, repr=False)
    now: Any = field(default=None, repr=False)

    def __str__(self) -> str:
        label = label_of(self.object)
        return f"{label}, {self.name}: {self.why}" if self.name else f"{label}: {self.why}"


class Doomed(Struct, frozen=True):
    """A record that is to be deleted, as we made it, and what the memory says of that."""

    record: Model
    reversal: Reversal

    @property
    def place(self) -> Place:
        """Which record it is."""
        return self.reversal.resource, self.reversal.id


def python_name(model: type[Model], name: str) -> str:
    """The Python name of a field, by its flat one."""
    known = model._meta.by_wire.get(name)
    return name if known is None or name.startswith(CUSTOM) else known.name


def current(client: Client, resource: str, ids: Collection[str], names: Iterable[str]) -> Flow[dict[str, Raw] | None]:
    """What the server holds of some fields (flat names), flat, by id; None where the token may not read it.

    One list, or a GET for each record, whichever is fewer.
    """
    wires = {"custom" if name.startswith(CUSTOM) else name for name in names}
    try:
        rows = yield from server_state.current(client.source("api"), resource, ids, wires)
    except (PermissionDenied, NotFound):
        return None
    return {id: flat(row) for id, row in rows.items()}


def moved(client: Client, records: Sequence[Model]) -> Flow[dict[int, tuple[Conflict, ...]]]:
    """The changed records, by `id()`, of which the server holds something else by now than what they go out from."""
    groups: dict[str, list[Model]] = {}
    for record in records:
        groups.setdefault(record._meta.resource.name, []).append(record)
    found: dict[int, tuple[Conflict, ...]] = {}
    for name, group in groups.items():
        wires = {wire for record in group for wire in _sent(record)}
        rows = yield from server_state.current(client.source("api"), name, {str(item.id) for item in group}, wires)
        for record in group:
            clashes = _clashes(record, rows.get(str(record.id)))
            if clashes:
                found[id(record)] = clashes
    return found


def _clashes(record: Model, remote: Raw | None) -> tuple[Conflict, ...]:
    if remote is None:
        return (Conflict(record, "", None, None, None),)
    payload = _sent(record)
    base = flat(base_of(unexpanded(record._meta.resource, record._wire), payload))
    mine, theirs = flat(payload), flat(remote)
    return tuple(
        conflict_of(record, _clash(name, base.get(name), value, theirs.get(name)), type(record))
        for name, value in mine.items()
        if not alike(theirs.get(name), base.get(name)) and not alike(theirs.get(name), value)
    )


def _sent(record: Model) -> Raw:
    """What a record sends; None for a reference to one that has no id yet."""
    live = record._live or {}
    unborn = {record._meta.fields[name].wire: None for name, value in live.items() if isinstance(value, Model)}
    return {**record._payload([name for name, value in live.items() if not isinstance(value, Model)]), **unborn}


def _clash(name: str, base: Any, mine: Any, theirs: Any) -> Clash:
    if name.startswith(CUSTOM):
        return Clash("custom", name.removeprefix(CUSTOM), base, mine, theirs)
    return Clash(name, None, base, mine, theirs)


# --- deletions ------------------------------------------------------------------------------------------


class Deletable(Struct):
    """Which of some records may be deleted; `unread` are models that could not be looked at for what hangs on them."""

    doomed: list[Doomed] = []
    left: list[LeftAlone] = []
    unread: list[type[Model]] = []


def deletable(client: Client, doomed: Sequence[Doomed], moving: Mapping[Place, Mapping[str, Any]]) -> Flow[Deletable]:
    """The records that are there as we made them, and on which nothing hangs but what goes, or moves away, too.

    `moving` are the new values of references, by record and field. One list of each model that may hang on them.
    """
    result = Deletable()
    groups: dict[str, list[Doomed]] = {}
    for item in doomed:
        groups.setdefault(item.reversal.resource, []).append(item)
    for name, group in groups.items():
        model = type(group[0].record)
        wires = [wire for wire, known in model._meta.by_wire.items() if not known.readonly]
        rows = yield from current(client, name, {item.reversal.id for item in group}, wires)
        for item in group:
            if rows is None:
                result.left.append(LeftAlone(item.record, "", "what Planhat holds of it may not be read"))
            elif item.reversal.id in rows:
                _sort(result, item, rows[item.reversal.id])
    yield from _keep_what_something_hangs_on(client, result, moving)
    return result


def _sort(result: Deletable, item: Doomed, now: Raw) -> None:
    """Whether a record that is there is as we made it."""
    model, wrote = type(item.record), flat(unexpanded(item.record._meta.resource, item.reversal.row))
    changed = [
        LeftAlone(item.record, python_name(model, name), "changed since, so the record is not deleted",
                  wrote.get(name), now.get(name))
        for name in sorted({*now, *wrote})
        if _is_writable(model, name) and not _is_as_made(item, name, wrote, now)
    ]  # fmt: skip
    if changed:
        result.left += changed
    else:
        result.doomed.append(item)


def _is_writable(model: type[Model], name: str) -> bool:
    known = model._meta.by_wire.get(name)
    return name.startswith(CUSTOM) or (known is not None and not known.readonly and name != "_id")


def _is_as_made(item: Doomed, name: str, wrote: Raw, now: Raw) -> bool:
    if name in wrote:
        return alike(now.get(name), wrote[name])
    # What Planhat fills in by itself is no change of anybody's.
    known = item.record._meta.resource.fields.get(name)
    return not now.get(name) or (known is not None and known.default is not None and alike(now[name], known.default))


def _keep_what_something_hangs_on(
    client: Client, result: Deletable, moving: Mapping[Place, Mapping[str, Any]]
) -> Flow[None]:
    references: dict[Place, list[Reference]] = {}
    by_resource: dict[str, set[str]] = {}
    for item in result.doomed:
        by_resource.setdefault(item.reversal.resource, set()).add(item.reversal.id)
    for name, ids in by_resource.items():
        found = yield from referring(client, name, ids)
        result.unread += [model for model in found.unread if model not in result.unread]
        for reference in found.found:
            if not _moves_away(reference, moving):
                references.setdefault((name, reference.target), []).append(reference)
    while True:
        going = {item.place for item in result.doomed}
        kept = [item for item in result.doomed if _holders(references.get(item.place, ()), going)]
        if not kept:
            return
        result.left += [LeftAlone(item.record, "", _hangs(_holders(references[item.place], going))) for item in kept]
        result.doomed = [item for item in result.doomed if item not in kept]


def _holders(references: Iterable[Reference], going: Collection[Place]) -> list[Model]:
    records = {id(item.record): item.record for item in references}
    return [record for record in records.values() if (record._meta.resource.name, str(record.id)) not in going]


def _moves_away(reference: Reference, moving: Mapping[Place, Mapping[str, Any]]) -> bool:
    place = (reference.record._meta.resource.name, str(reference.record.id))
    if reference.field.name not in moving.get(place, {}):
        return False
    value = moving[place][reference.field.name]
    return reference.target not in (value if isinstance(value, list) else [value])


def _hangs(holders: Sequence[Model]) -> str:
    more = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
    return f"{label_of(holders[0])}{more} belongs to it, so it is not deleted"
