"""A field: a descriptor that knows eight facts and nothing of the record it sits on but its two dicts.

`name`, `wire`, `kind`, `load`, `dump`, `column`, `readonly`, `required`. The conversions are the kind's;
the field adds its name, its place on the wire, and who may set it. Reading converts once, on first read;
setting checks at once; nothing here calls anything.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from .. import runtime
from ..errors import FieldError, NotLoaded, ReadOnlyError, ValidationError
from ..names import camel
from ..query.conditions import Q
from ..query.expressions import Expression
from ..query.kinds import LISTS, Kind
from ..query.loading import kept_types
from ..query.moments import Moment, Span
from ..wire.patches import same
from ..wire.values import copied
from . import gate
from .scalars import Refused, refusal

if TYPE_CHECKING:
    from ..models.base import Model

T = TypeVar("T")
_MISSING: Any = object()
_EMPTIED: Any = object()
"""Beside a list that was set and is empty: one that was only read is another wish."""


def live_of(record: Model) -> dict[str, Any]:
    """The dict of a record's values that were set or may be edited in place, which it gets with the first of them."""
    live = record._live
    if live is None:
        live = {}
        # Its own `__setattr__` looks at the name first, which takes longer.
        object.__setattr__(record, "_live", live)
    return live


class Field(Generic[T]):
    """One field of a model.

    On the class it builds conditions (`Company.mrr >= 1000` is `Q(mrr__gte=1000)`, and `Company.mrr < Company.arr`
    compares two fields of a record); on a record it reads and sets the value. Reading a field that the API did not
    send gives None (an empty list or dict for those kinds); reading one that `only()` left out raises `NotLoaded`.
    """

    name: str = ""
    is_derived = False
    """Whether the value is worked out of other fields, so that no record holds it."""

    def __init__(
        self,
        kind: Kind,
        *,
        wire: str | None = None,
        readonly: bool = False,
        create_only: bool = False,
        required: bool = False,
        choices: tuple[str, ...] = (),
        bounds: tuple[float | None, float | None] = (None, None),
        doc: str = "",
    ) -> None:
        self.kind = kind
        self.wire = wire or ""
        self.readonly = readonly
        self.create_only = create_only
        self.required = required
        self.choices = choices
        self.bounds = bounds
        self.__doc__ = doc or None
        # What is read of most records: values of the wire that are the field's own.
        self._is_plain = type(self)._raw is Field._raw and type(self)._read is Field._read
        self._kept = kept_types(kind) if self._is_plain else frozenset[type]()

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.wire = self.wire or camel(name)

    @property
    def column(self) -> str:
        """How the mirror keeps it."""
        return self.kind.column

    @property
    def keys(self) -> tuple[str, ...]:
        """Where the value is in the wire record."""
        return (self.wire,)

    # --- reading and setting ----------------------------------------------------------------------------

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: Model, owner: type) -> T: ...

    def __get__(self, record: Model | None, owner: type) -> Self | T:
        if record is None:
            return self
        live = record._live
        if live is not None:
            value = live.get(self.name, _MISSING)
            if value is not _MISSING:
                return value  # type: ignore[no-any-return]
        raw: Any = record._came.get(self.wire)
        if type(raw) in self._kept:
            return raw  # type: ignore[no-any-return]
        kept = record._loaded
        if kept is not None and (loaded := kept.get(self.name)) is not None and loaded[0] is raw:
            return loaded[1]  # type: ignore[no-any-return]
        if self._is_plain and raw is not None:
            return self._read(record, raw)  # type: ignore[no-any-return]
        raw = self._raw(record)
        if raw is _MISSING:
            raw = None
            if self._unasked(record):
                raise NotLoaded(
                    f"{type(record).__name__}.{self.name} was not selected: "
                    f"add it to only(), or call refresh(fields=[{self.name!r}])."
                )
        return self._read(record, raw)  # type: ignore[no-any-return]

    def _raw(self, record: Model) -> Any:
        return record._came.get(self.wire, _MISSING)

    def _read(self, record: Model, raw: Any) -> Any:
        value = self.kind.load(raw)
        if isinstance(value, (list, dict)):
            # The record keeps the API's value; what is handed out is a copy, so that editing it in place
            # shows as a difference.
            # Of two threads that read it at once both get the first one's copy.
            value = live_of(record).setdefault(self.name, copied(value))
        elif value is None and self.kind.copies:
            value = live_of(record).setdefault(self.name, self._empty())
        elif value is not raw:
            self._remember(record, raw, value)
        return value

    def _as_read(self, record: Model, raw: Any) -> Any:
        """What the field of a record reads as where `raw` came. A list or dict may be the one that came."""
        if not self._is_plain:
            return self._read(record, raw)
        value = raw if type(raw) in self._kept else self.kind.load(raw)
        return self._empty() if value is None and self.kind.copies else value

    def _remember(self, record: Model, raw: Any, value: Any) -> None:
        """Hold a converted value, which cannot be edited, beside what it was made of."""
        if record._loaded is None:
            object.__setattr__(record, "_loaded", {})
        record._loaded[self.name] = (raw, value)  # type: ignore[index]  # it was just set

    def _empty(self) -> Any:
        return [] if self.kind in LISTS else {}

    def __set__(self, record: Model, value: T | None) -> None:
        self.guard(record)
        checked = self.check(value, runtime.zone(record))
        live_of(record)[self.name] = checked
        self._note_emptied(record, checked)

    def _note_emptied(self, record: Model, value: object) -> None:
        if self.kind.copies and record.id is None and value == self._empty():
            self._remember(record, _EMPTIED, value)

    def __delete__(self, record: Model) -> None:
        raise FieldError(f"A field is not deleted: set {type(record).__name__}.{self.name} = None to clear it.")

    def guard(self, record: Model) -> None:
        """Raise `ReadOnlyError` unless this field of `record` may be set."""
        if self.readonly:
            raise ReadOnlyError(f"{type(record).__name__}.{self.name} is read-only: Planhat computes it.")
        if self.create_only and record.id is not None:
            raise ReadOnlyError(f"{type(record).__name__}.{self.name} can be set on a new record only.")

    def check(self, value: object, zone: tzinfo | None = None) -> object:
        """Return `value` as the field keeps it; `ValidationError` naming the field when it cannot be.

        `zone` is the one that moments without any are read in.
        """
        try:
            return self._bounded(gate.admit(self.kind, value, zone))
        except ValueError as wrong:
            raise ValidationError(refusal(self.name, wrong, value)) from None

    def _bounded(self, value: Any) -> Any:
        least, most = self.bounds
        if value is not None and ((least is not None and value < least) or (most is not None and value > most)):
            raise Refused(f"from {least} to {most}", str(value))
        return value

    def check_edit(self, old: object, new: object) -> None:
        """Check what was added to a list in place, which no assignment saw; what came from the API may be odd."""
        if self.kind in LISTS and isinstance(new, list):
            before = old if isinstance(old, list) else []
            self.check([record for record in new if not any(same(record, other) for other in before)])

    def difference(self, record: Model, live: object) -> tuple[object, object] | None:
        """The (old, new) pair when `live` differs from what the API said, else None."""
        raw = self._raw(record)
        old = None if raw is _MISSING else raw
        loaded = self.kind.load(old)
        if self.kind.copies and loaded is None and live == self._empty():
            return (None, live) if raw is _MISSING and self._is_emptied(record, live) else None
        if same(loaded, live) or same(self.kind.dump(loaded), self.kind.dump(live)):
            # None on a field of which nothing is known is a wish to clear it; on one the API left out, nothing new.
            return (None, None) if live is None and raw is _MISSING and self._is_unknown(record) else None
        return loaded, live

    def _is_unknown(self, record: Model) -> bool:
        """Whether Planhat may hold a value that the record does not know: it was not asked for, or a key may match."""
        return self._unasked(record) or (self.wire not in record._meta.resource.keys and record._may_match())

    def _is_emptied(self, record: Model, live: object) -> bool:
        """Whether a list that is empty was set, where Planhat may hold another."""
        if self._unasked(record):
            return True  # it cannot be read
        kept = (record._loaded or {}).get(self.name)
        return kept is not None and kept[0] is _EMPTIED and kept[1] is live and self._is_unknown(record)

    def _unasked(self, record: Model) -> bool:
        selected = record._origin.selected
        return selected is not None and self.wire not in selected

    def dump(self, value: object) -> object:
        """The value as the API wants it."""
        return self.kind.dump(value)

    # --- conditions -------------------------------------------------------------------------------------

    def _condition(self, op: str, value: Any) -> Q:
        return Q._of(((self._path(op), value),))

    def _path(self, op: str) -> tuple[str, ...]:
        return (self.name, op)

    def __eq__(self, other: object) -> Q:  # type: ignore[override]
        return self._condition("exact", other)

    def __ne__(self, other: object) -> Q:  # type: ignore[override]
        return ~self._condition("exact", other)

    def __lt__(self, other: T | Field[Any] | Expression[Any] | Moment | Span) -> Q:
        return self._condition("lt", other)

    def __le__(self, other: T | Field[Any] | Expression[Any] | Moment | Span) -> Q:
        return self._condition("lte", other)

    def __gt__(self, other: T | Field[Any] | Expression[Any] | Moment | Span) -> Q:
        return self._condition("gt", other)

    def __ge__(self, other: T | Field[Any] | Expression[Any] | Moment | Span) -> Q:
        return self._condition("gte", other)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
