"""The tree of companies: `orgPath` is all that Planhat sends of it (docs/reference/planhat-api.md section 16)."""

from __future__ import annotations

from typing import Any

from .values import Values

PATH = "orgPath"
PARENT = "orgPath/parent"
"""The name of the parent's id among the fields of a company; it is worked out, and never on the wire."""


def parent_in(path: Any, own: Any) -> str | None:
    """The id of the parent that a path of ids tells, of the record `own`; None at the top of a tree.

    A path is read in both forms that were seen: with the record's own id at its end, and without it.

    >>> parent_in(",a,b,c,", "c"), parent_in(",a,b,", "c"), parent_in("c", "c")
    ('b', 'b', None)
    """
    if not isinstance(path, str) or path == own or "\0" in path:
        return None
    steps = [step for part in path.split(",") if (step := part.strip())]
    if own in steps:
        steps = steps[: steps.index(own)]
    return steps[-1] if steps else None


def parent_of(record: Values) -> str | None:
    """The id of a record's parent."""
    return parent_in(record.get(PATH), record.get("_id"))
