"""Values that `annotate()` worked out, as attributes of the records that they came with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Model


def show_annotations(model: type[Model]) -> None:
    """Let records of a model, and of the classes made of it, have annotated values as attributes.

    A class with `__getattr__` finds every attribute in twice the time, so a model gets it with the first such value.
    """
    declaring = next(base for base in reversed(model.__mro__) if "_meta" in vars(base))
    if not hasattr(declaring, "__getattr__"):
        declaring.__getattr__ = _annotated_value  # type: ignore[attr-defined]  # any name could be set, were it known


def _annotated_value(record: Model, name: str) -> Any:
    if hasattr(type(record), name):
        # Why a field or relation has no value is an AttributeError, too: raise that one.
        return object.__getattribute__(record, name)
    values = None if name.startswith("_") else record._origin.annotated.get(str(record._came.get("_id")))
    if values is None or name not in values:
        sentence = f"{type(record).__name__!r} object has no attribute {name!r}"
        raise AttributeError(sentence, name=name, obj=record)
    return values[name]
