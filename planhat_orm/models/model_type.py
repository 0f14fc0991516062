"""The metaclass of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..docstrings import joined
from .overview import overview

if TYPE_CHECKING:
    from abc import ABCMeta as _ProtocolMeta

    from .base import Model
else:
    _ProtocolMeta = type(Protocol)


class ModelType(_ProtocolMeta):
    """Give every model class empty `__slots__`, so that a misspelt attribute cannot be set unnoticed.

    It is the metaclass of protocols, too, so that an ABC or a Protocol can stand beside a model as a base.
    """

    @property
    def __doc__(cls: type[Model]) -> str:  # type: ignore[override, misc]
        """What is written in the class, and the tables of its fields."""
        return joined(vars(cls).get("__doc__"), overview(cls))

    # A model is what inherits from it: the checks of ABCs would cost every record.
    __instancecheck__ = type.__instancecheck__
    __subclasscheck__ = type.__subclasscheck__

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> ModelType:
        """Make the class."""
        namespace.setdefault("__slots__", ())
        return super().__new__(mcs, name, bases, namespace, **options)
