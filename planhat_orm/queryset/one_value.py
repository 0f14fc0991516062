"""One value of a record, by the name that a query has for it."""

from __future__ import annotations

import copy
from typing import Any

from ..fields.account import kind_of
from ..query.kinds import Kind
from ..query.raw_values import fetch
from .paths import words


def read(record: Any, name: str) -> Any:
    """The converted value of a field, `custom__Label` or `relation__field`; None where a step is missing."""
    fields = record._meta.fields
    annotated = record._origin.annotated.get(record.id)
    if annotated is not None and name in annotated:
        return annotated[name]
    if name in fields:
        return loaded(fields[name].kind, fetch(record._came, fields[name].keys))
    head, *steps = words(name)
    rest = "__".join(steps)
    if head == "custom":
        return loaded(kind_of(record._meta, rest, record), fetch(record._came, ("custom", rest)))
    other = getattr(record, head)
    return None if other is None else read(other, rest)


def loaded(kind: Kind, raw: Any) -> Any:
    """A raw value as a program gets it: whoever gets a list may edit it, and rows of a cached list are not theirs."""
    return copy.deepcopy(raw) if isinstance(raw, (list, dict)) and kind.load(raw) is raw else kind.load(raw)
