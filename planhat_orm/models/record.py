"""`Record`: two dicts, what the API said and what you said, and what differs between them.

`_came` is what came and is never edited: a dict of the wire, or a row of the mirror, of which `_wire` makes one.
`_live` is None until a value is set, or one is read that can be edited in place; then it holds those values by Python
name, the latter as copies. `changes()` is their difference, not a log of assignments: a field set back is clean again.
`_loaded` keeps what was converted and cannot be edited, each value beside that of the wire that it was made of; it is
None until there is any. `_copy` is what tells that the copy of `custom` was not edited, which is asked of thousands of
records.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ..fields import CustomFields
from ..fields.base import Field
from ..fields.relations import One
from ..runtime import TEMPORARY
from ..wire.aliases import with_aliases
from ..wire.keys import has_key
from ..wire.patches import same
from ..wire.values import Copy, Values, copied, identical
from .meta import Meta
from .state import Origin


class Record:
    """What the API said and what you said of one record."""

    __slots__ = ("__weakref__", "_came", "_copy", "_live", "_loaded", "_origin")

    _meta: ClassVar[Meta]
    _came: Values
    _live: dict[str, Any] | None
    _loaded: dict[str, tuple[Any, Any]] | None
    _copy: Copy | None
    _origin: Origin

    @property
    def _wire(self) -> dict[str, Any]:
        """What came of the record as a dict of the wire: of a row of the mirror it is made with the first question.

        The row keeps the dict. Put into the record it could undo what another thread that saves puts there meanwhile.
        """
        came: Any = self._came
        made: dict[str, Any] = came if isinstance(came, dict) else came.to_dict()
        return made

    # --- what changed -----------------------------------------------------------------------------------

    def changes(self) -> dict[str, Any]:
        """What differs from the API's word, as `{name: (old, new)}`. Makes no request.

        Custom fields that the class declares stand under their own name, others under
        `"custom": {label: (old, new)}`.

        >>> company = Company.from_wire({"_id": "5f0c", "phase": "Trial"})
        >>> company.phase = "Live"
        >>> company.changes()
        {'phase': ('Trial', 'Live')}
        """
        # Asked of every record of a batch, next to none of which were touched.
        live = self._live
        if not live:
            return {}
        copy = self._copy
        if copy is not None and len(live) == 1 and copy.is_unedited(self._came.get("custom"), live.get("custom")):
            return {}
        edits = self._edits()
        if not edits:
            return {}
        found: dict[str, Any] = {}
        for field, _, difference in edits:
            if isinstance(field, CustomFields):
                found.update(self._custom_changes(difference))
            else:
                found[field.name] = difference
        return found

    def _custom_changes(self, difference: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        other = {}
        for label, pair in difference.items():
            declared = self._meta.customs.get(label)
            if declared is None:
                other[label] = pair
            else:
                found[declared.name] = tuple(map(declared.kind.load, pair))
        return {**found, "custom": other} if other else found

    def _edits(self, fields: set[str] | None = None) -> list[tuple[Field[Any], Any, Any]]:
        """The fields that differ from the API's word, each with its value and the difference.

        `fields` are the names to look at; `custom` is looked at in any case, as it may hold some of them.
        """
        found: list[tuple[Field[Any], Any, Any]] = []
        live, came, known = self._live or {}, self._came, self._meta.fields
        copy = self._copy
        itself: Any = self  # a `Model`, as every record is
        for name in live:
            field, value = known[name], live[name]
            raw = came.get(field.wire)
            if raw is not None and ((copy is not None and copy.is_unedited(raw, value)) or identical(raw, value)):
                continue
            if fields is None or name in fields or isinstance(field, CustomFields):
                difference: Any = field.difference(itself, value)
                if difference is not None:
                    found.append((field, value, difference))
        return found

    def _payload(self, fields: Iterable[str] | None = None, *, guard: bool = True) -> dict[str, Any]:
        """The wire keys and values of what changed: what an update sends.

        Raises `ReadOnlyError` for a read-only list or dict that was edited in place, and `ValidationError` for what
        was put in that does not belong there, unless `guard=False`.
        """
        if not self._live:
            return {}
        chosen = None if fields is None else set(fields)
        sent: dict[str, Any] = {}
        itself: Any = self  # a `Model`, as every record is
        for field, value, difference in self._edits(chosen):
            if isinstance(field, CustomFields):
                changed = self._chosen_customs(difference, chosen)
                if changed:
                    sent["custom"] = field.sent(itself, changed, guard=guard)
                continue
            if guard:
                field.guard(itself)
                field.check_edit(difference[0], value)
            sent[field.wire] = field.dump(value)
        return sent

    def _chosen_customs(self, changed: dict[str, Any], chosen: set[str] | None) -> dict[str, Any]:
        """The labels of `changed` that are among the names `chosen`, by their own names or all as `custom`."""
        if chosen is None or "custom" in chosen:
            return changed
        customs = self._meta.customs
        return {label: pair for label, pair in changed.items() if label in customs and customs[label].name in chosen}

    def _keys(self) -> dict[str, Any]:
        """The values of the keys by which Planhat can match the record, those just set among them."""
        live = self._live or {}
        fields = [self._meta.by_wire[wire] for wire in self._meta.resource.keys if wire in self._meta.by_wire]
        return {field.wire: live.get(field.name, self._came.get(field.wire)) for field in fields}

    def _may_match(self) -> bool:
        """Whether a new record carries a key, by which Planhat may find one that it has."""
        id = self._came.get("_id")
        return (id is None or str(id).startswith(TEMPORARY)) and has_key(self._meta.resource, self._keys())

    def _unsent(self, sent: dict[str, Any]) -> dict[str, Any]:
        """The changed values that were not part of `sent`; of `custom`, the changed keys only."""
        rest: dict[str, Any] = {}
        for field, value, difference in self._edits():
            if isinstance(field, CustomFields):
                before = sent.get("custom", {})
                left = {
                    label: new
                    for label, (_, new) in difference.items()
                    if label not in before or not same(before[label], new)
                }  # fmt: skip
                if left:
                    rest[field.name] = left
            elif field.wire not in sent or not same(sent[field.wire], field.dump(value)):
                rest[field.name] = value
        return rest

    # --- what the API says now --------------------------------------------------------------------------

    def _saved(self, answer: dict[str, Any], sent: dict[str, Any]) -> None:
        """Take over what was sent and what the server said of it; other unsaved changes stay."""
        self._keep_parents()
        # What was sent is held by whoever edited it.
        sent = copied(sent)
        told = with_aliases(self._meta.resource, sent, self._wire)
        wire = {**self._wire, **{key: value for key, value in told.items() if key != "custom"}, **answer}
        shown, known = answer.get("custom"), _object(self._wire.get("custom"))
        if not isinstance(shown, dict):
            if "custom" in sent:
                wire["custom"] = {**known, **sent["custom"]}
        elif any(value is not None and key not in answer for key, value in self._wire.items()):
            # It shows a part of the record; a custom field that was sent and is not shown was cleared.
            cleared = _object(sent.get("custom")).keys() - shown.keys()
            wire["custom"] = {**{label: item for label, item in known.items() if label not in cleared}, **shown}
        unsent = self._unsent(sent)
        # What was edited while the request was on its way was edited over what was sent.
        older = {name: item for name, item in unsent.items() if self._meta.fields[name].wire not in sent}
        if "custom" in unsent:
            before = sent.get("custom", {})
            older["custom"] = {label: item for label, item in unsent["custom"].items() if label not in before}
        self._rebase(self._with_bases(wire, older), unsent)

    def _keep_parents(self) -> None:
        """Keep the records that references were set to before these had an id: no request is needed to read them."""
        live = {name: value for name, value in (self._live or {}).items() if isinstance(value, Record)}
        for name, relation in self._meta.relations.items() if live else ():
            parent = live.get(relation.via) if isinstance(relation, One) else None
            id = parent._came.get("_id") if parent is not None else None
            if id is not None:
                self._origin.related.setdefault(name, {})[id] = parent

    def _with_bases(self, wire: dict[str, Any], unsent: dict[str, Any]) -> dict[str, Any]:
        """A newer `wire` with what was read of the fields that have unsaved changes: those were made over that."""
        kept = dict(wire)
        for name, value in unsent.items():
            field = self._meta.fields[name]
            if isinstance(field, CustomFields):
                before, now = _object(self._wire.get("custom")), _object(wire.get("custom"))
                kept["custom"] = {label: item for label, item in now.items() if label not in value}
                kept["custom"].update({label: before[label] for label in value if label in before})
            elif field.wire in self._wire:
                kept[field.wire] = self._wire[field.wire]
            else:
                kept.pop(field.wire, None)
        return kept

    def _refreshed(self, answer: dict[str, Any], names: tuple[str, ...] | None, discard: bool) -> None:
        """Take over what the API says now, of the whole record or of some fields of it."""
        unsent = self._unsent({})
        if discard:
            unsent = {} if names is None else {name: item for name, item in unsent.items() if name not in names}
        if names is None:
            self._rebase(answer, unsent)
            self._origin.selected = None
        else:
            wires = {"_id", *(self._meta.fields[name].wire for name in names)}
            self._rebase({**self._wire, **{key: item for key, item in answer.items() if key in wires}}, unsent, wires)

    def _reread(self, wire: dict[str, Any], origin: Origin) -> None:
        """Take over what another reading of this record said; unsaved changes stay."""
        mine, unsent = self._origin, self._unsent({})
        self._rebase(self._with_bases({**self._wire, **wire}, unsent), unsent)
        # With the peers of the reading that knows more fields.
        self._origin = origin if origin.selected is None else mine
        if mine.selected is not None and origin.selected is not None:
            self._origin = mine.alone()
            self._origin.selected = mine.selected | origin.selected

    def _rebase(self, wire: dict[str, Any], unsent: dict[str, Any], asked: Iterable[str] = ()) -> None:
        """Put `wire` under the unsaved values; the record parts from its peers."""
        selected = self._origin.selected
        self._origin = self._origin.alone()
        if selected is not None:
            self._origin.selected = selected | wire.keys() | set(asked)
        # An unsaved value may be edited in place, so the two dicts share none.
        under = [key for name in unsent if (key := self._meta.fields[name].wire) in wire]
        self._came = {**wire, **{key: copied(wire[key]) for key in under}} if under else wire
        if "custom" in unsent:
            unsent["custom"] = {**_object(wire.get("custom")), **unsent["custom"]}
        self._live = unsent or None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
