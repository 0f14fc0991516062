"""The tree that companies form: the parent's id, worked out of a path, and the relations that follow the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, overload

from .. import runtime
from ..query.raw_values import on_the_wire, raw_at
from ..query.tree import Hop
from .base import _MISSING
from .relations import Ref, Relation

if TYPE_CHECKING:
    from ..models.base import Model
    from ..queryset.queryset import QuerySet

M = TypeVar("M", bound="Model")


class DerivedRef(Ref):
    """The id of another record that Planhat does not send: it is worked out of fields that it sends. Read-only."""

    is_derived = True

    def __init__(self, model: str, *, wire: str, doc: str = "") -> None:
        super().__init__(model, wire=wire, readonly=True, doc=doc)

    def _raw(self, record: Model) -> Any:
        found = raw_at(self.keys)(record._came)
        return _MISSING if found is None else found

    def _unasked(self, record: Model) -> bool:
        selected = record._origin.selected
        return selected is not None and self.wire not in selected and not on_the_wire(self.keys) - {"_id"} <= selected


class Tree(Relation[M]):
    """The records that a record leads to by one step after another: `company.descendants()`, a queryset.

    `up` follows the references, else they are followed back; with `itself` the record counts, too. A tree is followed
    for 100 levels, and a record that is met again is followed once. On the API it costs the pages of the whole list.
    """

    def __init__(self, model: str, via: str, doc: str = "", *, up: bool = False, itself: bool = False) -> None:
        super().__init__(model, via, doc)
        self.up, self.itself = up, itself

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: Model, owner: type) -> Walk[M]: ...

    def __get__(self, record: Model | None, owner: type) -> Self | Walk[M]:
        return self if record is None else Walk(record, self)

    def hop(self, owner: Any, *, back: bool = False) -> Hop:
        """The step that a query takes over this relation, from `owner`; `back` the one that leads here."""
        wire = self.model._meta.fields[self.via].wire
        ends = (wire, "_id") if self.up is not back else ("_id", wire)
        return Hop(self.model._meta.resource.name, *ends, closure=True, itself=self.itself)


class Walk(Generic[M]):
    """A walk over the tree from one record: `company.descendants()`."""

    def __init__(self, record: Model, relation: Tree[M]) -> None:
        self._record, self._relation = record, relation

    def __call__(self) -> QuerySet[M]:
        """A queryset of the records; makes no request."""
        relation = self._relation
        return runtime.queryset_for(relation.model)._walked(self._record, relation)  # type: ignore[no-any-return]

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{self!r} is called: {self._relation.name}().")

    def __repr__(self) -> str:
        return f"{type(self._record).__name__}.{self._relation.name}"
