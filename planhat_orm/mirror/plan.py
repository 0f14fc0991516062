"""What a sync will take, from what the mirror remembers of the last one."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from . import state
from .layout import layout
from .pages import OVERLAP
from .report import ModelPlan, SyncPlan


def plan(connection: Connection, names: Iterable[str], *, full: bool, calls_per_min: float) -> SyncPlan:
    """The plan of syncing tables. Makes no request."""
    states = state.load_all(connection)
    return SyncPlan(tuple(_model(connection, name, states.get(name), full) for name in names), calls_per_min)


def _model(connection: Connection, name: str, found: state.State | None, full: bool) -> ModelPlan:
    limit = layout(name).resource.max_limit
    if found is None or not found.complete:
        # One page, and one more to prove that it is the last.
        return ModelPlan(name, "full", 2, None, None)
    rows = state.live_rows(connection, layout(name))
    pages = max(1, -(-rows // (limit - OVERLAP))) + 1
    return ModelPlan(name, "full", pages, rows, rows * found.known.get("bytes", 0) or None)
