"""`Company.objects`: a fresh queryset of the class that is asked, each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .. import runtime

if TYPE_CHECKING:
    from ..queryset.queryset import QuerySet
    from .base import Model

    M = TypeVar("M", bound=Model)


class Objects:
    """The descriptor behind `objects`: `Account.objects` is a queryset of `Account`, not of `Company`."""

    def __get__(self, record: None, owner: type[M]) -> QuerySet[M]:
        """Return a queryset over all records of `owner`. Makes no request."""
        if record is not None:
            raise AttributeError(f"objects belongs to the class: use {owner.__name__}.objects.")
        queryset: Any = runtime.queryset_for(owner)
        return queryset  # type: ignore[no-any-return]
