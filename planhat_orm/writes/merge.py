"""Merging two companies: what the one lacks, what belongs to the other, and what goes in the end, as a plan."""

from __future__ import annotations

from typing import Any

from ..errors import ValidationError
from ..fields import Custom
from ..fields.base import Field
from ..http.effects import Flow
from ..models.base import Model
from ..models.reference_fields import declared_models
from ..models.reversal import CUSTOM, flat
from ..models.state import Origin
from ..runtime import Client
from ..wire import records
from ..wire.keys import fold
from ..wire.patches import Raw, alike
from ..wire.resources import resource
from ..wire.values import copied
from .merge_plan import Difference, MergePlan, Merging, is_movable, move
from .outbox import on_outbox
from .referring import Reference, referring
from .revert_checks import python_name


def merge(client: Client, keep: str, other: str, known: Raw, leave: frozenset[str]) -> Flow[MergePlan]:
    """Read both companies and all that belongs to them, and return the plan.

    `known` is what is known of the other; `leave` are resources whose records may go with it.
    """
    return MergePlan(client, (yield from _Merger(client, keep, other).run(known, leave)))


class _Merger:
    """One merging in the making."""

    def __init__(self, client: Client, keep: str, other: str) -> None:
        self._client = client
        self._ids = keep, other
        self._model = declared_models()["company"]

    def run(self, known: Raw, leave: frozenset[str]) -> Flow[Merging]:
        """Both companies, then what belongs to the other one, then keys."""
        keep, other = yield from self._companies()
        self._parts = Merging(keep, other, leave=leave)
        if other is not None:
            self._fill(keep, other)
            yield from self._children(keep, other)
            self._take_keys(keep, other._wire)
        else:
            rows = yield from self._remembered("company", "_id", self._ids[1])
            if not rows and not known:
                raise self._model.DoesNotExist(
                    f"There is no company {self._ids[1]} to merge. If it was merged before, all of it is moved; which "
                    f"keys it had, only a mirror or the record itself knows."
                )
            self._take_keys(keep, rows[-1] if rows else known)
        yield from self._take_keys_of_former_doubles(keep)
        return self._parts

    def _companies(self) -> Flow[tuple[Model, Model | None]]:
        found = list[Model | None]()
        for id in self._ids:
            row = yield from self._client.noting(resource("company"), id, _found(id))
            found.append(None if row is None else self._model.from_wire(row, Origin(self._client, "api")))
        keep, other = found
        if keep is None:
            raise self._model.DoesNotExist(f"There is no company {self._ids[0]} to keep.")
        return keep, other

    # --- fields and keys --------------------------------------------------------------------------------

    def _fill(self, keep: Model, other: Model) -> None:
        """Take what one record lacks from the other; note what both have."""
        live: dict[str, Any] = dict(keep._live or {})
        kept, dropped = flat(keep._wire), flat(other._wire)
        for name, value in dropped.items():
            field = keep._meta.by_wire.get("custom" if name.startswith(CUSTOM) else name)
            if field is None or not _may_be_filled(keep, field) or _is_empty(value):
                continue
            if not _is_empty(kept.get(name)):
                if not alike(kept[name], value):
                    difference = Difference(keep, python_name(type(keep), name), kept[name], value)
                    self._parts.differences.append(difference)
            elif name.startswith(CUSTOM):
                labels = live.setdefault("custom", copied(keep._wire.get("custom") or {}))
                labels[name.removeprefix(CUSTOM)] = value
            else:
                live[field.name] = field.kind.load(value)
        keep._live = live
        self._parts.updates[keep._meta.resource.name, str(keep.id)] = keep

    def _take_keys(self, keep: Model, row: Raw) -> None:
        """Note the keys that a record gets when the one that has them is deleted."""
        for wire in keep._meta.resource.keys:
            field, value = keep._meta.by_wire.get(wire), row.get(wire)
            if wire in ("_id", "email") or field is None or field.readonly or _is_empty(value):
                continue
            own = keep._wire.get(wire)
            if _is_empty(own):
                self._parts.keys.append((keep, field.name, value))
            elif own != value:
                self._parts.differences.append(Difference(keep, field.name, own, value))

    def _remembered(self, name: str, wire: str, value: str) -> Flow[list[Raw]]:
        """What the mirror remembers of records that were deleted here, by what a field of them was."""
        outbox = self._client.outbox
        if outbox is None:
            return []
        return (yield from on_outbox(outbox, outbox.deleted, name, wire, value))

    def _take_keys_of_former_doubles(self, keep: Model) -> Flow[None]:
        """The keys of contacts that a merging deleted which did not come to its end."""
        rows = yield from self._remembered("enduser", "companyId", self._ids[1])
        if rows:
            ours = yield from self._contacts(str(keep.id))
            for row in rows:
                contact = ours.get(_email(row))
                if contact is not None and not any(contact == item for item, _ in self._parts.doubles):
                    self._take_keys(
                        contact, {wire: row.get(wire) for wire in row if _is_empty(contact._wire.get(wire))}
                    )

    # --- what belongs to the other company ----------------------------------------------------------------

    def _children(self, keep: Model, other: Model) -> Flow[None]:
        found = yield from referring(self._client, "company", {str(other.id)}, whole=("enduser",))
        self._parts.unread = found.unread
        tickets = {item.record.id for item in found.found if item.record._meta.resource.name == "ticket"}
        contacts = [item for item in found.found if item.record._meta.resource.name == "enduser"]
        ours = (yield from self._contacts(str(keep.id))) if contacts else {}
        for item in found.found:
            name = item.record._meta.resource.name
            twin = ours.get(_email(item.record._wire)) if name == "enduser" else None
            if name == "conversation" and item.record.id in tickets:
                continue  # Tickets are conversations, too: they are moved as tickets.
            if name in self._parts.leave:
                self._parts.going.append(item)
            elif not is_movable(item):
                self._parts.stuck.append(item)
            elif twin is not None:
                self._parts.doubles.append((twin, item.record))
            else:
                self._move(item, keep)
        yield from self._absorb_doubles()

    def _contacts(self, company: str) -> Flow[dict[str, Model]]:
        """The contacts of a company by their email, folded."""
        found = yield from referring(self._client, "company", {company}, only=("enduser",), whole=("enduser",))
        return {email: item.record for item in found.found if (email := _email(item.record._wire))}

    def _move(self, item: Reference, target: Model) -> None:
        place = (item.record._meta.resource.name, str(item.record.id))
        known = self._parts.updates.setdefault(place, item.record)
        if known is not item.record:
            # Each list asks for the references that it is about.
            known._reread(item.record._wire, item.record._origin)
        move(Reference(known, item.field, item.target), target)

    def _absorb_doubles(self) -> Flow[None]:
        """What names a contact that goes names the one that stays, which gets what it lacks."""
        by_id = {str(double.id): twin for twin, double in self._parts.doubles}
        named = yield from referring(self._client, "enduser", set(by_id))
        for item in named.found:
            if is_movable(item):
                self._move(item, by_id[item.target])
        for twin, double in self._parts.doubles:
            self._fill(twin, double)
            self._take_keys(twin, double._wire)


def _found(id: str) -> Flow[Raw | None]:
    return (yield from records.find(resource("company"), id))


def _may_be_filled(record: Model, field: Field[Any]) -> bool:
    return not (field.readonly or field.create_only or isinstance(field, Custom)) and field.wire not in (
        *record._meta.resource.keys,
        "companyId",
    )


def _is_empty(value: Any) -> bool:
    return value in (None, "", [], {})


def _email(row: Raw) -> str:
    value = row.get("email")
    return fold("email", value) if value else ""


def check_two(keep: str, other: str) -> None:
    """Raise `ValidationError` where both are one company."""
    if keep == other:
        raise ValidationError("merge() takes two companies: the one to keep, and the one that goes.")
