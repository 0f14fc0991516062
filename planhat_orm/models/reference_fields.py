"""Which fields of which models refer to the records of a model, read off the declarations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ..fields import ManyToMany, Ref
from ..fields.base import Field
from . import resources as declared
from .base import Model


@cache
def declared_models() -> Mapping[str, type[Model]]:
    """The library's own class of each resource, by the resource's name."""
    found = (getattr(declared, name) for name in declared.__all__)
    return {model._meta.resource.name: model for model in found}


@cache
def referring_fields(name: str) -> Mapping[type[Model], tuple[Field[str] | Field[list[str]], ...]]:
    """The fields that hold ids of a resource's records, of each model whose records Planhat lists and deletes.

    Notes are conversations, so they are not told twice. Metrics and activities are of another kind: nothing moves them.
    """
    target = declared_models()[name].__name__
    found: dict[type[Model], tuple[Field[str] | Field[list[str]], ...]] = {}
    for model in declared_models().values():
        resource = model._meta.resource
        fields = _fields(model, target)
        if fields and "list" in resource.operations and "push" not in resource.operations and not resource.implied:
            found[model] = fields
    return found


def _fields(model: type[Model], target: str) -> tuple[Field[str] | Field[list[str]], ...]:
    single = [field for field in model._meta.fields.values() if isinstance(field, Ref) and field.model == target]
    relations = model._meta.relations.values()
    lists = [
        model._meta.fields[item.via] for item in relations if isinstance(item, ManyToMany) and item.model_name == target
    ]
    return (*single, *lists)
