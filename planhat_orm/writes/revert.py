"""Undoing: what the memory tells, compared with what the server holds now, as a plan.

Nothing that others wrote is touched. A field goes back where the server still holds what was written; a record that was
made goes where it is as it was made and nothing hangs on it; one that was deleted is made anew, under another id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import PlanhatError
from ..fields import Ref
from ..http.effects import Flow
from ..models.base import Model
from ..models.labels import label_of
from ..models.reference_fields import declared_models
from ..models.results import BatchResult
from ..models.reversal import CUSTOM, Link, Reversal, Reversals
from ..query.kinds import LISTS
from ..runtime import Client
from ..wire import find_by_keys
from ..wire.patches import Raw, alike
from .revert_checks import Doomed, LeftAlone, Place, current, deletable, python_name
from .revert_plan import Parts, RevertPlan
from .revert_records import Values


def revert(client: Client, told: Reversals) -> Flow[RevertPlan]:
    """Compare what the memory tells with the server, and return the plan of undoing."""
    return RevertPlan(client, (yield from _Planner(client, told).run()))


class _Planner:
    """One plan in the making."""

    def __init__(self, client: Client, told: Reversals) -> None:
        self._client = client
        self._told = told
        self._values = Values(client, told.successors)
        self._parts = Parts(late=self._values.late)
        self._updates: dict[Place, Model] = {}
        self._numbers: list[str] = []

    def run(self) -> Flow[Parts]:
        """Records to make before those that name them; deletions last, by what is left to hang on them."""
        items = [item for item in self._told.items if not self._waits(item)]
        deleted = [item for item in items if item.action == "create"]
        gone = yield from self._gone_along(deleted)
        deleted = sorted([*deleted, *gone], key=lambda item: self._model(item.resource)._meta.resource.write_order)
        self._make(deleted)
        yield from self._name_again(self._told.links)
        yield from self._put_back([item for item in items if item.action == "update"])
        parts = self._parts
        parts.updates = [record for record in self._updates.values() if record.changes() or id(record) in parts.late]
        yield from self._unmake([item for item in items if item.action == "delete"])
        yield from self._give_keys(deleted)
        self._tell()
        return parts

    def _model(self, resource: str) -> type[Model]:
        return declared_models()[resource]

    def _leave(self, item: Reversal, why: str) -> None:
        record = self._values.record(self._model(item.resource), item.row, item.id)
        self._parts.left.append(LeftAlone(record, "", why))

    def _waits(self, item: Reversal) -> bool:
        if item.waits:
            self._leave(item, "a write of it waits in the outbox: push() it, or discard it, first")
        return item.waits

    def _tell(self) -> None:
        made, parts = len(self._parts.creates), self._parts
        if made:
            numbers = f", nor the numbers of invoices ({', '.join(self._numbers)})" if self._numbers else ""
            parts.facts.append(
                f"{made} record{'s' if made > 1 else ''} made anew, under other ids. Metrics, activities, attachments, "
                f"comments and what Planhat computes do not come back{numbers}."
            )
        for name, begin in self._told.begins.items():
            parts.facts.append(
                f"The mirror remembers {name} from {begin:%Y-%m-%d %H:%M:%S} UTC on, not what was before."
            )

    # --- what was deleted -------------------------------------------------------------------------------

    def _gone_along(self, deleted: list[Reversal]) -> Flow[list[Reversal]]:
        """What went with a deleted company, as Planhat deletes what belongs to it."""
        companies = {item.id for item in deleted if item.resource == "company"}
        found: dict[Place, Reversal] = {}
        for resource, links in _by_resource(link for link in self._told.links if link.target in companies).items():
            whole = {link.id: link for link in links if "_id" in link.row and _is_owner(self._model(resource), link)}
            rows = yield from current(self._client, resource, whole.keys(), ("_id",))
            for id, link in whole.items():
                if rows is not None and id not in rows:
                    found[resource, id] = Reversal("create", resource, id, link.row, link.row, {})
        return list(found.values())

    def _make(self, items: list[Reversal]) -> None:
        """Records for what was deleted, parents first."""
        values, parts = self._values, self._parts
        values.made.update((item.id, values.new(self._model(item.resource))) for item in items)
        for item in items:
            record = values.made[item.id]
            left = values.fill(record, item.old)
            parts.creates.append(record)
            parts.left += left
            parts.successors[item.id] = record
            if item.old.get("invoiceNo") is not None:
                self._numbers.append(str(item.old["invoiceNo"]))

    def _give_keys(self, items: list[Reversal]) -> Flow[None]:
        """Give new records their keys, as far as nobody has them by now; leave out those that lack what they need."""
        for resource, group in _by_resource(items).items():
            known = self._model(resource)._meta.resource
            wanted = [
                (item, wire, item.old[wire]) for item in group for wire in known.keys
                if wire != "_id" and item.old.get(wire) not in (None, "") and not _readonly(self._model(resource), wire)
            ]  # fmt: skip
            found = yield from find_by_keys.find_now(known, [{wire: value} for _, wire, value in wanted])
            for (item, wire, value), holder in zip(wanted, found, strict=True):
                self._give_key(item, wire, value, holder)
        self._leave_out_what_lacks(items)

    def _give_key(self, item: Reversal, wire: str, value: Any, holder: Raw | None) -> None:
        record = self._values.made[item.id]
        name = python_name(type(record), wire)
        if holder is None:
            self._values.put(record, wire, value)
        elif (item.resource, holder["_id"]) in {doomed.place for doomed in self._parts.doomed}:
            self._parts.freed.append((record, name, value))
        else:
            why = "another record has this key by now, so it is made anew without it"
            self._parts.left.append(LeftAlone(record, name, why, value))

    def _leave_out_what_lacks(self, items: list[Reversal]) -> None:
        """Leave out new records that Planhat would not make, and those that belong to them."""
        parts, refused = self._parts, dict[int, str]()
        for item in items:
            record = self._values.made[item.id]
            try:
                record.full_clean()
            except PlanhatError as lack:
                refused[id(record)] = f"it cannot be made anew: {lack}"
            for value in (record._live or {}).values():
                if isinstance(value, Model) and id(value) in refused:
                    refused[id(record)] = f"it cannot be made anew, as {label_of(value)} cannot"
        for item in items:
            record = self._values.made[item.id]
            if id(record) in refused:
                parts.left = [left for left in parts.left if left.object is not record]
                parts.left.append(LeftAlone(record, "", refused[id(record)]))
        parts.creates = [record for record in parts.creates if id(record) not in refused]
        parts.freed = [freed for freed in parts.freed if id(freed[0]) not in refused]
        for record in parts.updates:
            live = record._live or {}
            record._live = {
                name: value for name, value in live.items() if not (isinstance(value, Model) and id(value) in refused)
            }
        parts.updates = [record for record in parts.updates if record.changes() or id(record) in parts.late]

    def _name_again(self, links: Iterable[Link]) -> Flow[None]:
        """Have records that named deleted ones name the new ones, where they name nobody else by now."""
        made = self._values.made
        for resource, group in _by_resource(link for link in links if link.target in made).items():
            model, ids = self._model(resource), {link.id for link in group if link.id not in made}
            wires = {wire for link in group for wire in link.wires}
            rows = yield from current(self._client, resource, ids, (*wires, *_label_wires(model)))
            for link in group:
                if rows is not None and link.id in rows:
                    for wire in link.wires:
                        self._name_one_again(model, link, wire, rows[link.id])

    def _name_one_again(self, model: type[Model], link: Link, wire: str, row: Raw) -> None:
        known, now = model._meta.by_wire[wire], row.get(wire)
        place = (link.resource, link.id)
        record = self._updates.get(place) or self._values.record(model, row, link.id)
        if known.kind in LISTS:
            held = self._values.late.get(id(record), {}).get(known.name) or list(now or [])
            items = held if link.target in held else [*held, link.target]
            self._values.name_later(record, known.name, items)
        elif now in (None, "", link.target):
            record._live = {**(record._live or {}), known.name: self._values.made[link.target]}
        else:
            return
        self._updates[place] = record

    # --- what was changed -------------------------------------------------------------------------------

    def _put_back(self, items: list[Reversal]) -> Flow[None]:
        for resource, group in _by_resource(items).items():
            names = {name for item in group for name in item.fields}
            ids = {self._told.successors.get(item.id, item.id) for item in group}
            rows = yield from current(self._client, resource, ids, names)
            for item in group:
                id = self._told.successors.get(item.id, item.id)
                if rows is None:
                    self._leave(item, "what Planhat holds of it may not be read")
                elif id not in rows:
                    self._leave(item, "it is not there any more")
                else:
                    self._put_record_back(item, id, rows[id])

    def _put_record_back(self, item: Reversal, id: str, now: Raw) -> None:
        model, place = self._model(item.resource), (item.resource, id)
        record = self._updates.get(place) or self._values.record(model, item.row, id)
        for name in item.overwritten:
            self._parts.left.append(LeftAlone(record, python_name(model, name), "others changed it since"))
        for name, (wrote, old) in item.fields.items():
            if alike(now.get(name), old):
                continue
            if _is_held(now.get(name), wrote):
                record._came = _with(record._wire, name, now.get(name))
                why = self._values.put(record, name, old)
            else:
                why = f"it changed since, to {_shown(now.get(name))}"
            if why:
                self._parts.left.append(LeftAlone(record, python_name(model, name), why, wrote, now.get(name)))
        self._updates[place] = record

    # --- what was made ----------------------------------------------------------------------------------

    def _unmake(self, items: list[Reversal]) -> Flow[None]:
        doomed = [Doomed(self._values.record(self._model(item.resource), item.row, item.id), item) for item in items]
        moving = {
            place: {name: value for name, value in (record._live or {}).items() if _refers(record, name)}
            for place, record in self._updates.items()
        }
        looked = BatchResult()
        found = yield from looked.count(deletable(self._client, doomed, moving))
        self._parts.doomed = found.doomed
        self._parts.left += found.left
        if found.doomed:
            self._parts.facts.append(
                f"Before a deletion apply() looks again at what may hang on it: about {looked.requests} more requests."
            )
        if found.doomed and found.unread:
            names = ", ".join(sorted(model.__name__ for model in found.unread))
            self._parts.facts.append(
                f"Not looked at for what hangs on deleted records, as it may not be read: {names}."
            )


def _by_resource(items: Iterable[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(item.resource, []).append(item)
    return groups


def _is_held(now: Any, wrote: Any) -> bool:
    """Whether the server still has what was written."""
    return alike(now, wrote)


def _is_owner(model: type[Model], link: Link) -> bool:
    """Whether a record belongs to the company that it names, and not to others too."""
    return all(isinstance(model._meta.by_wire[wire], Ref) for wire in link.wires)


def _readonly(model: type[Model], wire: str) -> bool:
    known = model._meta.by_wire.get(wire)
    return known is None or known.readonly


def _refers(record: Model, name: str) -> bool:
    known = record._meta.fields[name]
    return isinstance(known, Ref) or known.kind in LISTS


def _label_wires(model: type[Model]) -> list[str]:
    return [model._meta.fields[name].wire for name in model._meta.label_fields]


def _with(row: Raw, name: str, value: Any) -> Raw:
    """A record with what the server holds of one field, as it spells it."""
    if not name.startswith(CUSTOM):
        return {**row, name: value}
    custom = row.get("custom")
    return {**row, "custom": {**(custom if isinstance(custom, dict) else {}), name.removeprefix(CUSTOM): value}}


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
