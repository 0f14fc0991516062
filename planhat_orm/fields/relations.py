"""Relations: the one attribute that may call the API, and then once for all records that came together."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from .. import runtime
from ..errors import ValidationError
from ..query import kinds
from ..query.conditions import Q
from ..query.tree import Hop
from .base import Field
from .scalars import Refused, described, scalar

if TYPE_CHECKING:
    from ..models.base import Model
    from ..queryset.queryset import QuerySet

M = TypeVar("M", bound="Model")


class Ref(Field[str]):
    """The id of another record. Set it to an id, or to the record itself, which may be unsaved."""

    def __init__(self, model: str, **facts: Any) -> None:
        super().__init__(kinds.REF, **facts)
        self.model = model

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: Model, owner: type) -> str: ...

    def __get__(self, record: Model | None, owner: type) -> Self | str:
        if record is None:
            return self
        value: Any = super().__get__(record, owner)
        # A record that was assigned unsaved stands here until it has an id.
        found: str = value if value is None or isinstance(value, str) or not hasattr(value, "_came") else value.id
        return found

    def dump(self, value: Any) -> Any:
        """The id; of a company without one, its key in the form that references take.

        The forms are in docs/reference/planhat-api.md section 4.
        """
        if value is None or isinstance(value, str):
            return value
        if value.id is not None:
            return value.id
        resource = value._meta.resource
        if resource.name == "company":
            for form in ("extid-", "srcid-"):
                key = value._meta.by_wire[resource.field_for(form)].__get__(value, type(value))
                if key:
                    return form + key
        raise ValidationError(
            f"{self.name} refers to a {type(value).__name__} that was never saved: save it first"
            + (", or give it an external_id or source_id." if resource.name == "company" else ".")
        )

    def check(self, value: object, zone: tzinfo | None = None) -> object:
        """Accept an id or a record of the right model."""
        model = runtime.models.get(self.model)
        if model is not None and isinstance(value, model):
            return value.id or value
        try:
            found = scalar(value) if value is not None else None
        except Refused:
            found = value
        if found is None or isinstance(found, str):
            if found == "":
                raise ValidationError(f"{self.name} must be an id, not an empty text: set None to clear it.")
            return super().check(value, zone)
        raise ValidationError(f"{self.name} must be an id or a {self.model}, not {described(value)}.")


class Relation(Generic[M]):
    """What the two kinds of relation share: the other model, and the field that connects the two."""

    name: str = ""

    def __init__(self, model: str, via: str, doc: str = "") -> None:
        self.model_name = model
        self.via = via
        self.__doc__ = doc or None

    def __set_name__(self, owner: Any, name: str) -> None:
        self.name = name
        self.owner = owner

    @property
    def model(self) -> type[M]:
        """The model on the other end."""
        return runtime.model(self.model_name)


class One(Relation[M]):
    """A reference to one other record: `license.company`, by way of `license.company_id`.

    Reading it when it is not loaded yet loads it for every record that came with this one: the pages of
    the other model, or one list by ids, whichever is fewer requests. In a running event loop it raises
    `NotLoaded` instead; `await license.aload("company")` first.
    """

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: Model, owner: type) -> M: ...

    def __get__(self, record: Model | None, owner: type) -> Self | M:
        if record is None:
            return self
        pending = (record._live or {}).get(self.via)
        if pending is not None and not isinstance(pending, str):
            return pending  # type: ignore[no-any-return]
        key = getattr(record, self.via)
        if not isinstance(key, str):
            return None  # type: ignore[return-value]
        loaded = record._origin.related.get(self.name, {})
        if key not in loaded:
            runtime.load_related(record, self)
            loaded = record._origin.related[self.name]
        return loaded[key]  # type: ignore[no-any-return]

    def __set__(self, record: Model, value: M | None) -> None:
        setattr(record, self.via, value)
        if value is not None and not isinstance(value, str) and value.id is not None:
            record._origin.related.setdefault(self.name, {})[value.id] = value

    def hop(self, owner: Any) -> Hop:
        """The step that a query takes over this relation, from `owner`."""
        return Hop(self.model._meta.resource.name, owner._meta.fields[self.via].wire, "_id")

    def __eq__(self, other: object) -> Q:  # type: ignore[override]
        return Q._of((((self.name, "exact"), other),))

    def __hash__(self) -> int:
        return id(self)


class Many(Relation[M]):
    """The records that refer to this one: `company.licenses`, a queryset of those whose `via` is its id.

    Reading it for a second of the records that came together loads it for all of them, so a loop costs the pages of
    the other model once; read again for the same record it is asked for anew.
    """

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: Model, owner: type) -> QuerySet[M]: ...

    def __get__(self, record: Model | None, owner: type) -> Self | QuerySet[M]:
        if record is None:
            return self
        return runtime.queryset_for(self.model)._related_to(record, self)  # type: ignore[no-any-return]

    def hop(self, owner: Any) -> Hop:
        """The step that a query takes over this relation, from `owner`."""
        field = self.model._meta.fields[self.via]
        return Hop(self.model._meta.resource.name, "_id", field.wire, many_far=field.kind in kinds.LISTS)


class ManyToMany(Relation[M]):
    """The records whose ids a list holds: `issue.companies`, by way of `issue.company_ids`."""

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: Model, owner: type) -> QuerySet[M]: ...

    def __get__(self, record: Model | None, owner: type) -> Self | QuerySet[M]:
        if record is None:
            return self
        return runtime.queryset_for(self.model)._listed_in(record, self)  # type: ignore[no-any-return]

    def hop(self, owner: Any) -> Hop:
        """The step that a query takes over this relation, from `owner`."""
        return Hop(self.model._meta.resource.name, owner._meta.fields[self.via].wire, "_id", many_near=True)
