"""Which way a model is synced, and why: the cheapest one that is proved to miss nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from ...wire.resources import Resource
from ..db import state
from ..db.state import State
from .stamp_scan import SINGLY

Method = Literal["full", "incremental", "scan"]

SMALL = 500
"""Up to so many records are read whole: that costs no more requests, and sees everything."""
FULL_EVERY = timedelta(days=7)
VOLATILE_EVERY = timedelta(days=1)
"""Full passes are what sees changes that move no stamp: the more of them there were, the oftener."""
SWEEP_EVERY = timedelta(days=1)
"""How often all ids are read where a probe cannot show that something was deleted."""
TRUST_AGAIN = timedelta(days=7)


def choose(found: State, resource: Resource, rows: int | None, *, force_full: bool) -> tuple[Method, str]:
    """The method for a resource in this state, and the reason as a report gives it."""
    known, stamp = found.known, found.stamp(resource)
    if not found.complete:
        return "full", "first sync"
    if force_full:
        return "full", "asked for"
    if found.cursor is not None:
        return "full", "an interrupted pass goes on"
    if known.get("mass"):
        return "full", "many records were missing last time"
    if not older(known.get("unsorted_at"), TRUST_AGAIN):
        return "full", "the list does not sort by _id"
    if rows is not None and rows <= SMALL:
        return "full", "small enough to read whole"
    if known.get("unstamped"):
        return "full", f"{known['unstamped']} records carry no time of change"
    if stamp is None or found.watermark is None:
        return "full", "records carry no time of change"
    if older(known.get("full_at"), VOLATILE_EVERY if known.get("volatile") else FULL_EVERY):
        return "full", "the last full pass is long ago"
    if not older(known.get("disordered_at"), TRUST_AGAIN):
        why = f"the list does not sort by {stamp}"
        return ("scan", why) if known.get("delta", 0) <= SINGLY else ("full", f"{why}, and much changes")
    return "incremental", f"sorted by {stamp}"


def older(text: str | None, age: timedelta) -> bool:
    """Whether a moment is longer ago; one that never was is."""
    return text is None or datetime.now(UTC) - state.moment(text) > age
