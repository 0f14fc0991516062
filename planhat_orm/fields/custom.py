"""Custom fields: the record's `custom` dict, and the typed names that a subclass gives to its keys.

The dict holds wire values under the fields' labels. A declared `Custom` reads and writes through it, so
`account.tier` and `account.custom["Tier"]` are one value, and changes are told key by key: Planhat merges
`custom` on update (docs/reference/planhat-api.md section 9), so two scripts that set different keys do not undo
each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

from .. import runtime
from ..errors import ValidationError
from ..names import did_you_mean, quoted
from ..query import kinds
from ..query.kinds import Kind
from ..wire.patches import same
from ..wire.values import copied, copy_of
from . import account, gate
from .account import KIND_OF
from .base import _MISSING, Field, live_of
from .scalars import Refused, refusal, scalar

if TYPE_CHECKING:
    from ..models.base import Model

T = TypeVar("T")


class CustomFields(Field[dict[str, Any]]):
    """The record's custom fields by label, as a dict to read and edit in place."""

    def __init__(self) -> None:
        super().__init__(kinds.OBJECT, wire="custom", doc="Custom fields by label; merged on update.")

    def difference(self, record: Model, live: Any) -> Any:
        """The changed keys as `{label: (old, new)}`, or None. A deleted key is one set to None."""
        raw = self._raw(record)
        before = raw if isinstance(raw, dict) else {}
        if not live and not before:
            return None
        changed = {}
        for label in [*live, *(key for key in before if key not in live)]:
            old, new = before.get(label), live.get(label)
            if same(old, new) or (old is None and _is_nothing(record, label, new)):
                # Of what nothing is known of, None is a wish to clear it, and so is an empty list that was set.
                if label in live and label not in before and self._is_unknown(record):
                    declared = record._meta.customs.get(label)
                    if new is None or declared is None or declared._is_emptied(record, new):
                        changed[label] = (None, new)
                continue
            new = _shown(record, label, new)
            load = (_kind(record, label) or kinds.ANY).load
            if not same(load(old), load(new)):
                changed[label] = (copied(old), new)
        return changed or None

    def check(self, value: object, zone: tzinfo | None = None) -> object:
        """Return the dict to keep; None stands for one without any key. Its values are those of the API."""
        zone = zone if zone is not None else runtime.zone()
        return {label: _kept(None, label, element, zone) for label, element in self._labels(value).items()}

    def __set__(self, record: Model, value: dict[str, Any] | None) -> None:
        self.guard(record)
        raw = self._raw(record)
        before, zone = raw if isinstance(raw, dict) else {}, runtime.zone(record)
        # What the API said stays as it is, however odd.
        live = {
            label: element
            if label in before and same(before[label], element)
            else _kept(_kind(record, label), label, element, zone)
            for label, element in self._labels(value).items()
        }
        live_of(record)[self.name] = live

    def _labels(self, value: Any) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(label, str) for label in value):
            raise ValidationError(refusal(self.name, ValueError("a dict with str keys"), value))
        return value

    def sent(self, record: Model, changed: Mapping[str, tuple[Any, Any]], *, guard: bool) -> dict[str, Any]:
        """The wire values of what `difference` found; with `guard`, what does not belong there raises."""
        if not guard:
            return {label: _shown(record, label, new) for label, (_, new) in changed.items()}
        for label, (old, new) in self._labels(changed).items():
            declared = record._meta.customs.get(label)
            if declared is not None:
                declared.guard(record)
                declared.check_edit(old, new)
            else:
                account.check(record, label, old, new)
        return {label: wire_value(record, label, new) for label, (_, new) in changed.items()}

    def _read(self, record: Model, raw: Any) -> Any:
        # Whatever is not a dict has no fields; the record keeps it.
        copy = copy_of(raw) if type(raw) is dict else None
        if copy is None:
            return super()._read(record, raw if isinstance(raw, dict) else None)
        labels = live_of(record).setdefault(self.name, copy.made)
        if labels is copy.made:
            object.__setattr__(record, "_copy", copy)
        return labels


def _is_nothing(record: Model, label: str, value: Any) -> bool:
    """Whether a value is the empty list or dict that reading a field without any gives."""
    if not isinstance(value, (list, dict)) or value:
        return False
    kind = _kind(record, label)
    return kind is None or (kind.copies and isinstance(value, list) == (kind in kinds.LISTS))


def _kind(record: Model, label: str) -> Kind | None:
    """The kind of a label, as a class declares it or the account says; None while nobody does."""
    declared = record._meta.customs.get(label)
    if declared is not None:
        return declared.kind
    known = account.known_fields(record._meta.resource.name, record)
    return known[label].kind if known is not None and label in known else None


def wire_value(record: Model, label: str, value: Any) -> Any:
    """The value under a label as the API has it; `ValidationError` for what does not fit its kind."""
    return _dumped(_kind(record, label), label, value, runtime.zone(record))


def _dumped(kind: Kind | None, label: str, value: Any, zone: tzinfo) -> Any:
    if kind is None:
        return dump_custom(label, value, zone)
    try:
        return kind.dump(gate.admit(kind, _from_wire(kind, value), zone))
    except ValueError as wrong:
        raise ValidationError(refusal(f"custom[{label!r}]", wrong, value)) from None


def _from_wire(kind: Kind, value: Any) -> Any:
    """A value of the dict, which holds those of the API: there a day is a number, and a number may be text."""
    found = _found(value)
    if kind is kinds.DAY:
        return kind.load(found) if type(found) in (int, float) and found == int(found) else value
    return kind.load(found) if kind in (kinds.NUMBER, kinds.INTEGER) and isinstance(found, str) else value


def dump_custom(label: str, value: Any, zone: tzinfo) -> Any:
    """The wire value of a custom field that nobody says the kind of."""
    try:
        return gate.admit(kinds.ANY, value, zone)
    except ValueError as wrong:
        raise ValidationError(refusal(f"custom[{label!r}]", wrong, value)) from None


def _found(value: Any) -> Any:
    try:
        return scalar(value)
    except Refused:
        return None


def _kept(kind: Kind | None, label: str, value: Any, zone: tzinfo) -> Any:
    """What the dict keeps of a value: a date waits until the kind of the field is known."""
    found = _found(value)
    return found if kind is None and type(found) is date else _dumped(kind, label, value, zone)


def _shown(record: Model, label: str, value: Any) -> Any:
    """The wire value, or what was set where it has none: sending it is what raises."""
    try:
        return wire_value(record, label, value)
    except ValidationError:
        return value


def labels_of(record: Model) -> dict[str, Any]:
    """The dict to edit; a record whose custom fields were not asked for starts with an empty one."""
    live = record._live or {}
    field = record._meta.fields["custom"]
    labels: dict[str, Any] = live["custom"] if "custom" in live else field._read(record, record._came.get("custom"))
    return labels


class Custom(Field[T]):
    """A custom field, declared on a subclass: `tier = Custom("Tier", str)`.

    `label` is the field's name in Planhat, spaces and capitals included. `type` is one of str, int, float,
    bool, datetime, date (Planhat's "day"), list. `index=True` makes mirror queries on it use an index;
    `choices` refuses other values before sending.
    """

    def __init__(
        self,
        label: str,
        type: type[T],
        *,
        index: bool = False,
        choices: tuple[str, ...] = (),
        readonly: bool = False,
        doc: str = "",
    ) -> None:
        if not isinstance(label, str) or not label:
            raise ValidationError("A custom field needs its label as Planhat shows it: Custom('Tier', str).")
        try:
            kind = KIND_OF.get(type)
        except TypeError:  # it has no hash, as a list or a record that was not saved yet
            kind = None
        if kind is None:
            names = ", ".join(sorted(item.__name__ for item in KIND_OF))
            raise ValidationError(
                f"Custom({quoted(label)}, ...) takes one of these types: {names}; not {quoted(type)}."
            )
        super().__init__(kind, wire="custom", choices=tuple(choices), readonly=readonly, doc=doc)
        self.label: str = label
        self.index: bool = index

    @property
    def keys(self) -> tuple[str, ...]:
        """Where the value is in the wire record."""
        return ("custom", self.label)

    def _raw(self, record: Model) -> Any:
        came = record._came.get("custom", _MISSING)
        labels = came if record._live is None else record._live.get("custom", came)
        if isinstance(labels, dict) and self.label in labels:
            return labels[self.label]
        return _MISSING if came is _MISSING else None

    def _read(self, record: Model, raw: Any) -> Any:
        if not self.kind.copies and not isinstance(raw, (list, dict)):
            loaded = (record._loaded or {}).get(self.name)
            if loaded is not None and loaded[0] is raw:
                return loaded[1]
            value = self.kind.load(raw)
            if value is not raw:
                self._remember(record, raw, value)
            return value
        # It may be edited in place, so it is read in the dict that is a copy.
        labels = labels_of(record)
        if labels.get(self.label) is None:
            empty = self._empty()
            if labels.setdefault(self.label, empty) is None:
                labels[self.label] = empty
        return labels[self.label]

    def __set__(self, record: Model, value: T | None) -> None:
        self.guard(record)
        checked = self.check(value, runtime.zone(record))
        kept: Any = None if checked is None else self.kind.dump(checked)
        labels_of(record)[self.label] = kept
        self._note_emptied(record, kept)

    def check(self, value: object, zone: tzinfo | None = None) -> object:
        """Return `value` as the field keeps it; `ValidationError` when it is of another type or no choice."""
        checked = super().check(value, zone)
        if self.choices:
            for check in checked if isinstance(checked, list) else [checked]:
                if check is not None and check not in self.choices:
                    raise ValidationError(
                        f"{self.name} has no choice {check!r}.{did_you_mean(str(check), self.choices)}"
                    )
        return checked

    def check_edit(self, old: object, new: object) -> None:
        """Check what was set under the label in `custom`: of a list what is new in it."""
        if isinstance(new, list):
            super().check_edit(old, new)
        else:
            self.check(_from_wire(self.kind, new))
