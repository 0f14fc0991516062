"""What tools that print objects show of those whose repr leaves out what they hold of customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


class OwnRepr:
    """A struct of msgspec's with a repr of its own: rich shows that, and not the values of all fields."""

    __slots__ = ()

    if not TYPE_CHECKING:  # for types a method of msgspec's cannot be a property

        @property
        def __rich_repr__(self) -> Any:
            # For rich, an object that lacks this has its repr.
            raise AttributeError("__rich_repr__")
