"""What a sync will take, from what the mirror remembers of the last one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from ..db import state
from ..db.layout import layout_for
from ..report import ModelPlan, SyncPlan
from . import metrics
from .incremental import FIRST
from .paging import OVERLAP
from .strategy import choose
from .thresholds import SWEEP_EVERY, older

_ID_AND_STAMP = 65
"""Bytes of a record of which only the id and the stamp are asked for."""


def plan(
    connection: Connection, names: Iterable[str], *, full: bool, calls_per_min: float, metric_days: int
) -> SyncPlan:
    """The plan of syncing tables. Makes no request."""
    states = state.load_all(connection)
    return SyncPlan(
        tuple(_model(connection, name, states.get(name) or state.State(name), full, metric_days) for name in names),
        calls_per_min,
    )


def _model(connection: Connection, name: str, found: state.State, full: bool, days: int) -> ModelPlan:
    resource, traits = layout_for(name).resource, found.traits
    rows = state.live_rows(connection, layout_for(name)) if found.complete else None
    if name == "metric":
        # One request asks for the clock; each window of days takes one and another to prove its end.
        today = (datetime.now(UTC).date() - date(1970, 1, 1)).days
        return ModelPlan(name, "by day", 1 + 2 * metrics.windows(traits, today, days, full=full), rows, None)
    if rows is None:
        # One page, and one more to prove that it is the last.
        return ModelPlan(name, "full", 2, None, None)
    limit = min(resource.max_limit, traits.cap or resource.max_limit)
    method, _ = choose(found, resource, rows, force_full=full)
    each = traits.bytes
    step = max(1, limit - min(OVERLAP, limit // 2))
    lists = 2 if traits.two else 1
    if method == "incremental":
        # The newest changes, and what was deleted: a probe, or where archived records have their own list a sweep.
        changes = traits.delta or 0
        probe, looked_at = 1, min(rows, limit)
        if lists == 2:
            due = older(traits.swept_at, SWEEP_EVERY)
            probe, looked_at = (-(-rows // step) + 1 + lists, rows) if due else (0, 0)
        size = min(rows, max(FIRST, 2 * changes)) * each + looked_at * _ID_AND_STAMP
        return ModelPlan(name, method, lists + changes // limit + probe, rows, size)
    done = 0 if found.cursor is None else found.cursor.rank
    pages = -(-max(0, rows - done) // step) + 1
    left = max(0, rows - done)
    return ModelPlan(name, method, pages + lists - 1, rows, left * (_ID_AND_STAMP if method == "scan" else each))
