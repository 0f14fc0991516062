"""The custom fields that the classes of a program declare for a resource, and the columns that exports call after them.

Whoever writes a header and whoever reads one asks here, so that both say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .. import runtime
from ..fields import Custom
from .generate import python_name


def _declarations(resource: str) -> Iterator[tuple[str, Custom[Any]]]:
    for model in runtime.classes.values():
        if model._meta.resource.name == resource:
            yield from model._meta.customs.items()


def declared_customs(resource: str) -> dict[str, Custom[Any]]:
    """The custom fields that any class declares for a resource, by label."""
    found: dict[str, Custom[Any]] = {}
    for label, custom in _declarations(resource):
        # One class that asks for an index is enough.
        if label not in found or (custom.index and not found[label].index):
            found[label] = custom
    return found


def disputed(resource: str) -> set[str]:
    """The labels that two classes declare with different types: the account decides what they are."""
    types: dict[str, set[str]] = {}
    for label, custom in _declarations(resource):
        types.setdefault(label, set()).add(custom.kind.name)
    return {label for label, names in types.items() if len(names) > 1}


def column_names(resource: str) -> dict[str, str]:
    """What an export calls the columns of declared custom fields, by label.

    Two classes may give two fields one name; then it is neither's, and their labels tell them apart.
    """
    declared = declared_customs(resource)
    wanted = Counter(custom.name.lower() for custom in declared.values())
    return {
        label: custom.name if wanted[custom.name.lower()] == 1 else python_name(label, ())
        for label, custom in declared.items()
    }


def label_named(resource: str, name: str) -> str | None:
    """The custom field that a column is called after: as exports name it, or as one class of several does."""
    exported = {label for label, column in column_names(resource).items() if column == name}
    for labels in (exported, {label for label, custom in _declarations(resource) if custom.name == name}):
        if len(labels) == 1:
            return labels.pop()
    return None
