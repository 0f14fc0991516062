"""What a model class knows of itself: its resource, its fields by both names, its relations."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType
from typing import Any

from msgspec import Struct

from ..errors import ConfigurationError, FieldError
from ..fields import Custom, Field
from ..fields.account import custom_label
from ..fields.relations import Relation
from ..names import did_you_mean, nearest, quoted
from ..wire.resources import Resource


class Meta(Struct):
    """The declaration of one model, collected over its base classes."""

    resource: Resource
    fields: dict[str, Field[Any]] = {}
    by_wire: dict[str, Field[Any]] = {}
    customs: dict[str, Custom[Any]] = {}
    relations: dict[str, Relation[Any]] = {}

    @property
    def names(self) -> list[str]:
        """Every name that can be set or filtered by."""
        return [*self.fields, *self.relations]

    @property
    def label_fields(self) -> tuple[str, ...]:
        """The fields that say the name of a record, the best one first."""
        return tuple(name for name in _LABELS if name in self.fields)

    def unknown(self, owner: type, name: str, choices: Iterable[str] | None = None) -> FieldError:
        """The error for a name that is no field: with the nearest one, of a path over relations the whole path."""
        sentence = f"{owner.__name__} has no field {quoted(name)}."
        label = custom_label(self, name)
        held = f" Did you mean 'custom', which holds {label!r}?" if label is not None else ""
        return FieldError(sentence + (held or self._reached(owner, name) or did_you_mean(name, choices or self.names)))

    def _reached(self, owner: type, name: str) -> str:
        """What to say of a path over relations where a field of the record itself is needed; empty of other names."""
        first, *others = name.replace(".", "__").split("__")
        relation: Relation[Any] | None = self.relations.get(first)
        path, far = [first], relation
        for word in others[:-1]:
            far = far and far.model._meta.relations.get(word)
            path.append(word)
        names = far.model._meta.names if far is not None else []
        last = next((word for word in others[-1:] if word in names), None) or nearest("".join(others[-1:]), names)
        if relation is None or far is None or last is None:
            return ""
        meant = "__".join((*path, last))
        own = f", such as {relation.via!r}" if relation.via in self.fields else ""
        return (
            f"{f' Did you mean {meant!r}?' if meant != name else ''} That is a field of {far.model.__name__}, which "
            f"filter(), order_by() and values() reach; here one of {owner.__name__} itself is needed{own}."
        )


_LABELS = ("name", "nick_name", "title", "subject", "product", "action", "email")


def _own(meta: Meta, name: str) -> Any:
    return meta.fields.get(name) or meta.relations.get(name)


def collect(owner: type, resource: Resource, reserved: frozenset[str]) -> Meta:
    """Read the declaration of `owner` from its class body and those of its bases."""
    meta = Meta(resource)
    for base in reversed(owner.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, (Field, Relation)) and name in reserved:
                raise ConfigurationError(
                    f"{owner.__name__}.{name} hides the method {name}() of every model: "
                    f"give the field another name; its label or wire name can stay."
                )
            if isinstance(value, Custom) and not isinstance(_own(meta, name), (Custom, NoneType)):
                raise ConfigurationError(
                    f"{owner.__name__}.{name} hides Planhat's own {name}: "
                    f"give the custom field another name; its label can stay."
                )
            if isinstance(value, Field):
                meta.fields[name] = value
            elif isinstance(value, Relation):
                meta.relations[name] = value
    for name, declared in meta.fields.items():
        if isinstance(declared, Custom):
            if "custom" not in meta.fields:
                raise ConfigurationError(f"{owner.__name__}.{name}: Planhat's {resource.path} has no custom fields.")
            if declared.label in meta.customs and meta.customs[declared.label].name != name:
                raise ConfigurationError(
                    f"{owner.__name__} declares the custom field {declared.label!r} twice: "
                    f"as {meta.customs[declared.label].name} and as {name}."
                )
            meta.customs[declared.label] = declared
        elif not declared.is_derived:
            meta.by_wire[declared.wire] = declared
    return meta
