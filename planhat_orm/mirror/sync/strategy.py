"""Which way a model is synced, and why: the cheapest one that is proved to miss nothing."""

from __future__ import annotations

from typing import Literal

from ...http.effects import Flow
from ...wire.list_reader import NotSortedById
from ...wire.resources import Resource
from ..db import state
from ..db.state import State
from . import thresholds
from .full import full
from .incremental import incremental
from .job import Finish, ModelSync
from .paging import NotSortedByStamp
from .stamp_scan import TooMany, scan
from .thresholds import older

Method = Literal["full", "incremental", "scan"]


def choose(found: State, resource: Resource, rows: int | None, *, force_full: bool) -> tuple[Method, str]:
    """The method for a resource in this state, and the reason as a report gives it."""
    traits, stamp = found.traits, found.stamp(resource)
    if not found.complete:
        return "full", "first sync"
    if force_full:
        return "full", "asked for"
    if found.cursor is not None:
        return "full", "an interrupted pass goes on"
    if traits.mass:
        return "full", "many records were missing last time"
    if not older(traits.unsorted_at, thresholds.TRUST_AGAIN):
        return "full", "the list does not sort by _id"
    if rows is not None and rows <= thresholds.SMALL:
        return "full", "small enough to read whole"
    if traits.unstamped:
        return "full", f"{traits.unstamped} records carry no time of change"
    if stamp is None or found.watermark is None:
        return "full", "records carry no time of change"
    if older(traits.full_at, thresholds.VOLATILE_EVERY if traits.volatile else thresholds.FULL_EVERY):
        return "full", "the last full pass is long ago"
    if not older(traits.disordered_at, thresholds.TRUST_AGAIN):
        why = f"the list does not sort by {stamp}"
        return ("scan", why) if (traits.delta or 0) <= thresholds.SINGLY else ("full", f"{why}, and much changes")
    return "incremental", f"sorted by {stamp}"


def by_the_best_way(job: ModelSync) -> Flow[Finish]:
    """Sync by the method of choice, and by the next safer one where the list turns out not to be fit for it."""
    method, job.report.why = choose(job.state, job.layout.resource, job.rows_before, force_full=job.forced)
    if method == "incremental":
        try:
            return (yield from incremental(job))
        except NotSortedByStamp as reason:
            if reason.lasting:
                job.state.traits.disordered_at = state.now()
            method, job.report.why = reason.then, str(reason)
        except NotSortedById:
            method, job.report.why = "full", "the list does not sort by _id, so deletions show in no cheaper way"
        job.report.unchanged = 0
    if method == "scan" and "get_by_id" in job.layout.resource.operations and not job.state.traits.two:
        try:
            return (yield from scan(job))
        except (TooMany, NotSortedById):
            job.report.why += ", and a scan of the ids was not enough"
    return (yield from full(job))
