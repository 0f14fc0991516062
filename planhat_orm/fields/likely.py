"""Warnings of conditions that no record is likely to meet: a choice that does not exist, a name in an id's place."""

from __future__ import annotations

import re
import warnings
from typing import Any

from ..errors import UnknownNameWarning
from ..names import did_you_mean
from ..runtime import TEMPORARY
from .account import known_fields
from .base import Field
from .relations import One, Ref

_ID = re.compile(rf"(?:[0-9a-fA-F]*|{re.escape(TEMPORARY)}.*)\Z", re.DOTALL)
_MOST = 3
"""Values of a condition that are warned of: the others are likely wrong in the same way."""
_KEYS = {"extid-": "external_id", "srcid-": "source_id"}


def warn_of_unlikely(model: Any, path: tuple[str, ...], value: Any) -> None:
    """Warn where a condition by equality compares with what the field at `path` hardly holds.

    Other values may be stored, so it is no error.
    """
    op = path[-1] if path[-1] in ("exact", "in", "contains", "overlap") else "exact"
    steps = path[:-1] if path[-1] == op else path
    values = [item for item in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(item, str)]
    found = _field(model, steps) if values else None
    if isinstance(found, tuple):
        _warn_of_choice(steps, found, values)
    elif isinstance(found, Ref):
        _warn_of_id(steps, found, values)


def _field(model: Any, steps: tuple[str, ...]) -> Ref | tuple[str, ...] | None:
    """The reference at the end of a path, or the choices of the field there; None for everything else."""
    for place, step in enumerate(steps):
        meta, last = model._meta, place == len(steps) - 1
        if step == "custom" and not last:
            return _choices(meta, "__".join(steps[place + 1 :]))
        relation = meta.relations.get(step)
        if relation is not None and not last:
            model = relation.model
            continue
        field: Field[Any] | None = meta.fields.get(relation.via) if isinstance(relation, One) else meta.fields.get(step)
        if not last or field is None:
            return None
        return field if isinstance(field, Ref) else field.choices or None
    return None


def _choices(meta: Any, label: str) -> tuple[str, ...] | None:
    if label in meta.customs:
        return meta.customs[label].choices or None
    known = known_fields(meta.resource.name)
    return known[label].choices or None if known is not None and label in known else None


def _warn_of_choice(steps: tuple[str, ...], choices: tuple[str, ...], values: list[str]) -> None:
    wrong = [value for value in values if value not in choices]
    for value in wrong[:_MOST]:
        _warn(f"{'__'.join(steps)} has no choice {value!r}.{did_you_mean(value, choices)}")


def _warn_of_id(steps: tuple[str, ...], field: Ref, values: list[str]) -> None:
    name = "__".join(steps)
    for value in [value for value in values if not _ID.match(value)][:_MOST]:
        key = next((key for prefix, key in _KEYS.items() if value.startswith(prefix)), None)
        name_field = "nick_name" if field.model == "User" else "name"
        other = key or ("email" if "@" in value else name_field)
        path = name.removesuffix("_id") if name.endswith("_id") else name
        _warn(
            f"{name} is compared with Planhat's own ids, which are 24 hexadecimal characters: no record has this one. "
            f"Did you mean {path}__{other}?"
        )


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UnknownNameWarning, stacklevel=3)
