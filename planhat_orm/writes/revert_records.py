"""Records for undoing: with the values that they are to have again, as far as those can be sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import PlanhatError
from ..fields import Ref
from ..fields.base import Field
from ..models.base import Model
from ..models.reversal import CUSTOM, flat
from ..models.state import Origin
from ..query.kinds import LISTS
from ..runtime import Client
from ..wire.patches import Raw, alike, same
from .revert_checks import LeftAlone, python_name


class Values:
    """Puts old values into records. `made` are records that are made anew, `successors` those that were before.

    `late` collects lists that name records without an id: they are sent when those have one.
    """

    def __init__(self, client: Client, successors: Mapping[str, str]) -> None:
        self._client = client
        self._successors = successors
        self.made: dict[str, Model] = {}
        self.late: dict[int, dict[str, list[Any]]] = {}

    def record(self, model: type[Model], row: Raw, id: str) -> Model:
        """The record that is there, as it was written."""
        return model.from_wire({**row, "_id": id}, Origin(self._client, "api"))

    def new(self, model: type[Model]) -> Model:
        """A record to be made, without values yet."""
        record = model()
        record._origin.client = self._client
        return record

    def fill(self, record: Model, row: Raw) -> list[LeftAlone]:
        """Give a new record what one was that is gone, but its keys; return what cannot be sent."""
        keys, left = record._meta.resource.keys, list[LeftAlone]()
        for name, value in flat(row).items():
            known = record._meta.by_wire.get(name)
            if value in (None, "", [], {}) or name in keys or (known is not None and known.readonly):
                continue
            why = self.put(record, name, value)
            if why and not (known is None and name in record._meta.resource.fields):
                left.append(LeftAlone(record, python_name(type(record), name), why, value))
        return left

    def put(self, record: Model, name: str, value: Any) -> str:
        """Set a field, by its flat name, to a value of the API; return why that cannot be sent, or nothing."""
        if name.startswith(CUSTOM):
            return self._put_custom(record, name.removeprefix(CUSTOM), value)
        known = record._meta.by_wire.get(name)
        if known is None:
            return "the library knows no such field"
        before = dict(record._live or {})
        live = self._live(record, known, value)
        record._live = {**before, known.name: live}
        why = "" if isinstance(live, Model) else _refusal(record, known, value)
        if why:
            record._live = before
        return why

    def _live(self, record: Model, known: Field[Any], value: Any) -> Any:
        """A value as the record keeps it; what names a record that is made anew names the new one."""
        if value is None:
            return [] if known.kind in LISTS else None
        if isinstance(known, Ref) and isinstance(value, str):
            return self.made.get(value) or self._successors.get(value, value)
        loaded = known.kind.load(value)
        if known.kind in LISTS and isinstance(loaded, list):
            named = [self._successors.get(item, item) if isinstance(item, str) else item for item in loaded]
            if any(isinstance(item, str) and item in self.made for item in loaded):
                self.name_later(record, known.name, loaded)
            return [item for item in named if not (isinstance(item, str) and item in self.made)]
        return loaded

    def name_later(self, record: Model, name: str, ids: Iterable[Any]) -> None:
        """Have a list name records, those without an id among them, when they have one."""
        items = [self.made.get(id) or self._successors.get(id, id) if isinstance(id, str) else id for id in ids]
        self.late.setdefault(id(record), {})[name] = items

    def _put_custom(self, record: Model, label: str, value: Any) -> str:
        before, custom = dict(record._live or {}), record._wire.get("custom")
        labels = before.get("custom", custom if isinstance(custom, dict) else {})
        record._live = {**before, "custom": {**labels, label: value}}
        why = _refusal(record, record._meta.fields["custom"], {label: value})
        if why:
            record._live = before
        return why


def _refusal(record: Model, known: Field[Any], value: Any) -> str:
    """Why a field cannot be sent as it was; nothing where it can, or is so already."""
    if value is None and known.required:
        return "it was empty, and Planhat needs a value"
    try:
        sent = record._payload((known.name,)).get(known.wire)
    except PlanhatError as wrong:
        return f"it cannot be written: {wrong}"
    if sent is None or isinstance(known, Ref) or known.kind in LISTS:
        return ""
    if known.wire == "custom":
        return "" if all(alike(sent.get(label, item), item) for label, item in value.items()) else _ALTERED
    return "" if alike(sent, value) or same(sent, value) else _ALTERED


_ALTERED = "its value cannot be sent as it was"
