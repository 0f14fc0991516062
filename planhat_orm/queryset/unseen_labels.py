"""The warning of a condition on a custom field that no record has, while the account's own list is not known."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ..errors import UnknownNameWarning
from ..http.effects import Emit, Flow
from ..http.flows import mapped
from ..names import nearest
from ..query.kinds import ANY
from ..query.query import Query
from ..query.tree import Target
from ..query.walk import tests_in


def labels_of(query: Query) -> set[str]:
    """The labels that a query looks for in the records themselves and that nobody knows the kind of."""
    targets = [test.target for test in tests_in(query.where) if test.op != "isnull"]
    keys = [target.keys for target in targets if isinstance(target, Target) and target.kind is ANY]
    return {parts[1] for parts in keys if len(parts) == 2 and parts[0] == "custom"}


def watched(flow: Flow[None], query: Query) -> Flow[None]:
    """Pass rows on, and warn at their end of a label that none of them has."""
    labels = labels_of(query)
    if not labels:
        yield from flow
        return
    present: set[str] = set()
    rows_seen = False

    def look(rows: list[dict[str, Any]]) -> Flow[None]:
        nonlocal rows_seen
        rows_seen = rows_seen or bool(rows)
        for row in rows:
            custom = row.get("custom")
            if isinstance(custom, dict):
                present.update(custom)
        yield Emit(rows)

    yield from mapped(flow, look)
    if rows_seen:
        warn_of_unseen(labels - present, present, query.resource)


def warn_of_unseen(labels: Iterable[str], present: Iterable[str], resource: str) -> None:
    """Warn of each label, with the nearest of those that some record has."""
    for label in sorted(labels):
        near = nearest(label, present)
        hint = f" Did you mean {near!r}?" if near is not None else ""
        warnings.warn(f"No {resource} has a custom field {label!r}.{hint}", UnknownNameWarning, stacklevel=2)
