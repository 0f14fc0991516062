"""What a sync will take, from what the mirror remembers of the last one."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from . import state
from .choice import choose
from .incremental import FIRST
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
    stamp = layout(name).resource.stamp or found.known.get("stamp")
    method, _ = choose(found, stamp, rows, force_full=full)
    each = found.known.get("bytes", 0)
    if method == "incremental":
        delta = max(FIRST, 2 * found.known.get("delta", 0))
        # The newest changes, and the probe for deletions.
        return ModelPlan(name, method, 1 + -(-delta // limit), rows, delta * each or None)
    pages = max(1, -(-rows // max(1, limit - OVERLAP))) + 1
    return ModelPlan(name, method, pages, rows, (rows * each // 40 if method == "scan" else rows * each) or None)
