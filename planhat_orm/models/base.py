"""`Model`: the base of all records, with what a class knows of itself and the verbs of a record.

What a record holds, and what changed of it, is in `record.py`. No method here has I/O in it; the verbs ask the client.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .. import arguments, errors, runtime
from ..errors import FieldError, NotFound, PlanhatError, ValidationError
from ..fields import Custom, Id
from ..fields.account import custom_label
from ..fields.base import Field
from ..fields.custom import labels_of
from ..html import table
from ..scopes.accounts import Account
from ..scopes.chain import innermost
from ..wire.resources import resource as wire_resource
from ..wire.values import Values, copied
from .annotations import show_annotations
from .as_dict import as_dict
from .labels import label_of, name_of
from .manager import Objects
from .meta import collect
from .model_type import ModelType
from .record import Record, _object
from .results import Policy, SaveResult
from .state import Origin

if TYPE_CHECKING:
    from datetime import datetime

    from ..client import Planhat


class Model(Record, metaclass=ModelType):
    """The base of all records.

    Make a new one with `Company(name="Acme")`; records that exist come from `Company.objects`. Two records
    are equal when they are the same one of the same resource; a record without an id equals only itself.
    """

    id = Id(wire="_id", readonly=True, doc="Planhat's own id, 24 hex characters; None until the record is created.")
    objects: ClassVar = Objects()

    class DoesNotExist(NotFound):
        """`get()` found no such record."""

    class MultipleObjectsReturned(errors.MultipleObjectsReturned):
        """`get()` found more than one record."""

    def __init_subclass__(cls, resource: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if resource is None and not hasattr(cls, "_meta"):
            return
        known = wire_resource(resource) if resource is not None else cls._meta.resource
        cls._meta = collect(cls, known, _RESERVED)
        for error in ("DoesNotExist", "MultipleObjectsReturned"):
            # Of the nearest base that has one of its own: a mixin has none.
            parent = next(vars(base)[error] for base in cls.__mro__[1:] if error in vars(base))
            made = type(error, (parent,), {"__doc__": parent.__doc__, "__module__": cls.__module__})
            made.__qualname__ = f"{cls.__qualname__}.{error}"
            setattr(cls, error, made)
        if resource is not None:
            runtime.models[cls.__name__] = cls
        else:
            runtime.models.setdefault(cls.__name__, cls)
        runtime.classes[cls.__module__, cls.__qualname__] = cls

    def __init__(self, **values: object) -> None:
        if not hasattr(self, "_meta"):
            raise FieldError("Model is what all records have in common: make a Company, a License, ...")
        self._came = {}
        self._live = {}
        self._loaded = None
        self._copy = None
        self._origin = Origin(scope=innermost())
        key = values.pop("id", None)
        if key is not None:
            self._wire["_id"] = self._meta.fields["id"].check(key)
            # Nothing is known of the record but its id, so a value set to None is a wish to clear it.
            self._origin.selected = frozenset({"_id"})
        # The whole dict first: the fields that have a name of their own go into it.
        for name, value in sorted(values.items(), key=lambda item: item[0] != "custom"):
            self._assign(name, value)

    def _assign(self, name: str, value: object) -> None:
        """Set a field by its name, or a custom field as `custom.Label` or `custom__Label`."""
        label = custom_label(self._meta, name)
        if label is None:
            setattr(self, name, value)
        elif label in self._meta.customs:
            setattr(self, self._meta.customs[label].name, value)
        else:
            field = self._meta.fields["custom"]
            field.__set__(self, {**labels_of(self), label: value})

    @classmethod
    def from_wire(cls, wire: dict[str, Any], origin: Origin | None = None) -> Self:
        """Make a record of what the API said. The dict is kept, not copied, and never changed."""
        if not isinstance(wire, dict):
            raise ValidationError(f"{cls.__name__}.from_wire() takes a dict, not a {type(wire).__name__}.")
        return cls._made_of(wire, origin if isinstance(origin, Origin) else Origin())

    @classmethod
    def _made_of(cls, came: Values, origin: Origin) -> Self:
        """Make a record of what came from a source."""
        record = cls.__new__(cls)
        # Straight into the slots: a page has thousands of records, and none of these names needs a check.
        _put_came(record, came)
        _put_live(record, None)
        _put_loaded(record, None)
        _put_copy(record, None)
        _put_origin(record, origin)
        return record

    if not TYPE_CHECKING:
        # A type checker that knew of it would let any name be set.

        def __setattr__(self, name: str, value: object) -> None:
            # Asked of the class, as a mixin without slots gives records a dict that takes any name.
            if not hasattr(type(getattr(type(self), name, None)), "__set__"):
                raise self._unsettable(name)
            try:
                object.__setattr__(self, name, value)
            except PlanhatError:
                raise
            except AttributeError as error:
                raise FieldError(str(error)) from None

        def _unsettable(self, name: str) -> FieldError:
            relation = self._meta.relations.get(name)
            if relation is not None:
                what = (
                    f"{relation.via}, a list of ids" if relation.via in self._meta.fields else f"their {relation.via}"
                )
                return FieldError(f"{type(self).__name__}.{name} is a queryset and is not set: set {what}.")
            if hasattr(type(self), name):
                return FieldError(f"{type(self).__name__}.{name} is no field, so it is not set.")
            return self._meta.unknown(type(self), name)

    def full_clean(self) -> None:
        """Raise `ValidationError` unless the record can be sent: its required fields are there.

        Those are the fields that a single create and a bulk upsert both need; what only one of them asks for is left
        to the server. `save()` and a batch call it before they send anything. Makes no request.
        """
        if self.id is not None:
            return
        resource = self._meta.resource
        missing = [
            field.name
            for wire in resource.required_new
            if (field := self._meta.by_wire.get(wire)) is not None and self._missing(field)
        ]
        for group in resource.required_any:
            fields = [self._meta.by_wire[wire] for wire in group if wire in self._meta.by_wire]
            if fields and all(map(self._missing, fields)):
                missing.append(" or ".join(field.name for field in fields))
        if missing:
            raise ValidationError(f"A new {type(self).__name__} needs {', '.join(missing)}.")

    def _missing(self, field: Field[Any]) -> bool:
        value = (self._live or {}).get(field.name, self._came.get(field.wire))
        return value is None or value == ""

    def before_save(self) -> None:
        """Called before a changed record is sent, alone or in a batch; subclasses may set fields in it."""

    # --- verbs ------------------------------------------------------------------------------------------

    def save(
        self,
        fields: Iterable[str] | None = None,
        *,
        on_conflict: Policy | None = None,
        using: Planhat | None = None,
    ) -> SaveResult:
        """Send what changed: one PUT of just these keys, one POST for a new record, nothing if nothing did.

        A PUT that is answered with nothing is a success, and costs one GET more.
        `fields` limits it to some Python names; the others stay changed. A new record with a key
        (`external_id`, `source_id`) costs one GET more: Planhat would make a second record of it, this
        raises `AlreadyExists`. Inside `planhat.batch()` it waits for the batch. `on_conflict` ("raise",
        "ours", "theirs" or a function) reads the changed fields first, which costs one GET.
        """
        client = self._client(using)
        return client.run(client.writer.save(self, self._names(fields), on_conflict))

    async def asave(
        self,
        fields: Iterable[str] | None = None,
        *,
        on_conflict: Policy | None = None,
        using: Planhat | None = None,
    ) -> SaveResult:
        """Do what `save()` does, in a task."""
        client = self._client(using)
        return await client.arun(client.writer.save(self, self._names(fields), on_conflict))

    def delete(self, *, using: Planhat | None = None) -> None:
        """Delete the record: one DELETE. Planhat deletes what hangs on a company with it."""
        client = self._client(using)
        client.run(client.writer.delete(self))

    async def adelete(self, *, using: Planhat | None = None) -> None:
        """Do what `delete()` does, in a task."""
        client = self._client(using)
        await client.arun(client.writer.delete(self))

    def refresh(
        self, fields: Iterable[str] | None = None, *, discard: bool = False, using: Planhat | None = None
    ) -> Self:
        """Read the record again: one GET. Unsaved changes are kept unless `discard`."""
        client = self._client(using)
        client.run(client.writer.refresh(self, self._names(fields), discard))
        return self

    async def arefresh(
        self, fields: Iterable[str] | None = None, *, discard: bool = False, using: Planhat | None = None
    ) -> Self:
        """Do what `refresh()` does, in a task."""
        client = self._client(using)
        await client.arun(client.writer.refresh(self, self._names(fields), discard))
        return self

    async def aload(self, *relations: str, using: Planhat | None = None) -> Self:
        """Load relations by name for this record and all that came with it, in a task."""
        client = self._client(using)
        await client.arun(runtime.load_named(self, relations))
        return self

    def _client(self, using: runtime.Client | None) -> runtime.Client:
        """The client that a verb goes through: its own, or another one of the same account."""
        if using is None:
            return runtime.client_of(self)
        runtime.check_account(self, arguments.client("using", using))
        return using

    def _names(self, fields: Iterable[str] | None) -> tuple[str, ...] | None:
        if fields is None:
            return None
        if isinstance(fields, str):
            raise FieldError(f"fields takes a list of names: fields=[{fields!r}].")
        chosen = tuple(arguments.many("fields", fields))
        labels = (custom_label(self._meta, arguments.name(name)) for name in chosen)
        declared = [self._meta.customs.get(label or "") for label in labels]
        chosen = tuple(name if custom is None else custom.name for name, custom in zip(chosen, declared, strict=True))
        for name in chosen:
            if name not in self._meta.fields:
                raise self._meta.unknown(type(self), name, self._meta.fields)
        return chosen

    # --- what there is ----------------------------------------------------------------------------------

    @property
    def synced_at(self) -> datetime | None:
        """When the mirror that this record came from read it; None for a record from the API."""
        return self._origin.synced_at

    def to_wire(self) -> dict[str, Any]:
        """The record as the API names it: what came, with your changes over it. A copy."""
        wire = copied(self._wire)
        changed = copied(self._payload(guard=False))
        custom = changed.pop("custom", None)
        if custom is not None:
            wire["custom"] = {**_object(wire.get("custom")), **custom}
        return {**wire, **changed}

    def to_dict(self, *, wire: bool = False) -> dict[str, Any]:
        """The record's values by Python name, as far as they are known; with `wire`, as `to_wire()` has them. A copy.

        Moments and days are `datetime` and `date`. Declared custom fields stand under their names, others in `custom`;
        relations and undocumented fields are left out. Makes no request.

        >>> Company.from_wire({"_id": "5f0c", "h": 7}).to_dict()
        {'id': '5f0c', 'h': 7}
        """
        return self.to_wire() if arguments.flag("wire", wire) else as_dict(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """How pydantic reads and writes a record: by Python name. FastAPI takes and returns records with it."""
        from .pydantic_schema import core_schema_of

        return core_schema_of(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> Any:
        """The JSON schema of a record, with a description of every field."""
        from .pydantic_schema import json_schema_of

        return json_schema_of(cls, handler)

    def clone(self) -> Self:
        """A new, unsaved record with the values that may be written; ids and keys are left out."""
        other = type(self)()
        other._live = {}
        keys = set(self._meta.resource.keys)
        for name, field in self._meta.fields.items():
            if field.readonly or field.wire in keys or isinstance(field, Custom):
                continue
            live = self._live or {}
            if name in live or field.wire in self._wire:
                # As it is: a choice that nobody listed was read, so it is carried over.
                value = live[name] if name in live else getattr(self, name)
                other._live[name] = copied(value)
        return other

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Model):
            return NotImplemented
        return self.id is not None and (self._meta.resource.name, self.id) == (other._meta.resource.name, other.id)

    def __hash__(self) -> int:
        if self.id is None:
            raise TypeError(f"A {type(self).__name__} that was not saved yet has no identity to hash.")
        return hash((self._meta.resource.name, self.id))

    def __repr__(self) -> str:
        changed = self.changes()
        new = ", new" if self.id is None and name_of(self) else ""
        mark = f", changed: {', '.join(changed)}" if changed else ""
        return f"<{label_of(self)}{new}{mark}>"

    def _repr_html_(self) -> str:
        changed = self.changes()
        rows: list[tuple[Any, ...]] = [
            (name, *pair) if isinstance(pair, tuple) else (name, "", pair) for name, pair in changed.items()
        ]
        held = [
            (name, value, "")
            for name, field in self._meta.fields.items()
            if not isinstance(field, Custom) and name not in changed and field.wire in self._wire
            if (value := field.kind.load(self._wire[field.wire])) not in (None, "", [], {})
        ]
        more = len(held) - _SHOWN_FIELDS
        caption = repr(self) if more <= 0 else f"{self!r}: {more} more fields, see to_dict()"
        return table(("field", "value", "changed to"), [*rows, *held[:_SHOWN_FIELDS]], caption)

    def __copy__(self) -> Self:
        other = type(self).from_wire(self._wire, self._origin)
        if self._live is not None:
            # What can be edited in place is copied; a record that was assigned stays that record.
            other._live = {name: copied(value) for name, value in self._live.items()}
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        origin = self._origin
        account = origin.client.account.portable() if origin.client is not None else origin.account
        annotated = origin.annotated.get(str(self._wire.get("_id")))
        found = (self._wire, self._live, origin.selected, origin.deleted, account, annotated, origin.synced_at)
        return _unpickle, (type(self), *found)


_put_came = Record.__dict__["_came"].__set__
_put_live = Record.__dict__["_live"].__set__
_put_loaded = Record.__dict__["_loaded"].__set__
_put_copy = Record.__dict__["_copy"].__set__
_put_origin = Record.__dict__["_origin"].__set__


def _unpickle(
    cls: type[Model],
    wire: dict[str, Any],
    live: dict[str, Any] | None,
    selected: frozenset[str] | None,
    deleted: bool,
    account: Account | None = None,
    annotated: dict[str, Any] | None = None,
    synced_at: datetime | None = None,
) -> Model:
    record = cls.from_wire(wire, Origin(selected=selected, synced_at=synced_at, scope=innermost(), account=account))
    if annotated is not None:
        record._origin.annotated = {str(wire.get("_id")): annotated}
        show_annotations(cls)
    record._live = live
    record._origin.deleted = deleted
    return record


_SHOWN_FIELDS = 15
"""So many fields of a record a notebook shows."""

_RESERVED = frozenset(name for name in dir(Model) if not name.startswith("__") and name not in ("custom", "id"))
