"""The shape in which a record is read: whole by id, cut down in lists, or the fields of `select`."""

from __future__ import annotations

import msgspec

from ..wire.resources import resource
from .rules.companies import embedded
from .store import Store
from .tables import Record, Row

ROLES = {
    "65f0c1a2b3d4e5f607001f01": {"name": "Admin", "description": "May change settings"},
    "65f0c1a2b3d4e5f607001f02": {"name": "Success manager", "description": "Owns a portfolio"},
    "65f0c1a2b3d4e5f607001f03": {"name": "Reader", "description": "Sees, changes nothing"},
}
"""The tenant's roles: ids in a user's record, objects in the list of users."""

_NPS_NAMES = {"score": "nps", "comment": "npsComment", "dateAnswered": "npsDate"}

_encode = msgspec.json.Encoder().encode


def whole(store: Store, name: str, record: Record) -> Record:
    """Return a record as reading it by id does."""
    shown = record
    if name == "company":
        shown = {**record, **embedded(store, record)}
    elif name == "nps":
        shown = _nps(store, record)
    return shown


def in_list(store: Store, name: str, row: Row, select: frozenset[str] | None) -> bytes:
    """Return the JSON of a record in a list, thin or with the selected fields; it stays with the row."""
    shape = (name, select)
    if row.shape != shape:
        row.encoded = _encode(_listed(store, name, row.record, select))
        row.shape = shape
    return row.encoded


def fields_of(store: Store, name: str, select: str | None) -> frozenset[str] | None:
    """Return the fields that a list shows, None for all of them."""
    if select and store.switches.honours_select:
        return frozenset(part.strip() for part in select.split(",")) | {"_id"}
    return resource(name).thin_list if store.switches.thin_lists else None


def _listed(store: Store, name: str, record: Record, select: frozenset[str] | None) -> Record:
    if name == "company" and select is None:
        record = whole(store, name, record)
    elif name == "company" and select is not None and not select.isdisjoint(("licenses", "sales")):
        record = {**record, **embedded(store, record)}
    elif name == "nps":
        record = _nps(store, record)
    shown = record if select is None else {key: value for key, value in record.items() if key in select}
    if name == "user" and "roles" in shown:
        roles = [{"_id": id, **ROLES[id]} if id in ROLES else id for id in shown["roles"] or []]
        return {**shown, "roles": roles}
    if name == "company" and store.switches.expand_owner:
        users = store.table("user")
        people = {key: user for key in ("owner", "coOwner") if (user := users.get(shown.get(key)))}
        return {
            **shown,
            **{key: {"_id": item["_id"], "nickName": item.get("nickName")} for key, item in people.items()},
        }
    return shown


def _nps(store: Store, record: Record) -> Record:
    if store.switches.nps_keys == "score":
        return record
    return {_NPS_NAMES.get(key, key): value for key, value in record.items() if key != "euId"}
