"""A sync: model after model, by the cheapest way that is proved, and a report of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import insert, update

from ..errors import BadAnswer, NotFound, PermissionDenied
from ..http.effects import Flow, Work
from . import customs, state, tables, views
from .choice import choose
from .database import Database
from .deletions import find_deleted
from .full import full
from .incremental import Disordered, incremental
from .job import Job
from .layout import layout
from .lease import Lease, acquire
from .metrics import metrics
from .pages import Unsorted
from .report import ModelReport, SyncReport
from .scan import TooMany, scan


def sync(opened: Callable[[], Database], names: Iterable[str], *, force_full: bool, history: bool) -> Flow[SyncReport]:
    """Bring tables up to date. Emits `Progress`; returns the report."""
    database: Database = yield Work(opened)
    names = list(names)
    lease: Lease = yield Work(lambda: acquire(database))
    report = SyncReport()
    began = time.monotonic()
    failure: BadAnswer | None = None
    try:
        report.run = yield Work(lambda: _start(database, names))
        for name in names:
            try:
                yield from _sync_model(database, name, lease, report, force_full=force_full, history=history)
            except BadAnswer as bad:
                # One list that cannot be read must not keep the others from being current.
                bad.add_note(f"While syncing {name}.")
                failure = failure or bad
        report.seconds = time.monotonic() - began
        yield Work(lambda: _end(database, names, report))
    finally:
        lease.release()
    if failure is not None:
        raise failure
    return report


def _start(database: Database, names: list[str]) -> int:
    customs.index(database, names)
    views.refresh(database, names)
    with database.writing() as connection:
        made = connection.execute(insert(tables.runs).values(started_at=state.now()))
        key = made.inserted_primary_key
        assert key is not None
        return int(key[0])


def _end(database: Database, names: list[str], report: SyncReport) -> None:
    # This sync may have brought custom fields that the account did not have before.
    views.refresh(database, names)
    with database.writing() as connection:
        connection.execute(
            update(tables.runs)
            .where(tables.runs.c.run == report.run)
            .values(
                finished_at=state.now(),
                requests=report.requests,
                report=msgspec.json.encode(list(report)).decode(),
            )
        )


def _sync_model(
    database: Database, name: str, lease: Lease, report: SyncReport, *, force_full: bool, history: bool
) -> Flow[None]:
    mine = report.models[name] = ModelReport(name)
    began = time.monotonic()
    job: Job = yield Work(lambda: _job(database, name, lease, report.run, mine, history))
    try:
        yield job.progress(0, "starting")
        if name == "metric":
            yield from metrics(job)
        else:
            yield from _by_the_best_way(job, force_full=force_full)
        job.state.method, job.state.why = mine.method, mine.why
        yield Work(lambda: _keep(job))
    except (PermissionDenied, NotFound) as refused:
        mine.skipped = "no permission (403)" if isinstance(refused, PermissionDenied) else "not in this tenant (404)"
    finally:
        mine.requests = job.traffic.requests
        mine.seconds = time.monotonic() - began
    yield job.progress(mine.new + mine.changed + mine.unchanged, "done")


def _by_the_best_way(job: Job, *, force_full: bool) -> Flow[None]:
    """Sync by the method of choice, and by the next safer one where the list turns out not to be fit for it."""
    method, why = choose(job.state, job.stamp, job.rows_before, force_full=force_full)
    if method == "incremental":
        try:
            yield from incremental(job)
            job.report.why = why
            yield from find_deleted(job)
            return
        except Disordered as reason:
            job.state.known["disordered_at"] = state.now()
            method, why = "scan", str(reason)
        except Unsorted:
            method, why = "full", "the list does not sort by _id, so deletions show in no cheaper way"
    job.report.unchanged = 0
    if method == "scan" and job.stamp in job.layout.by_wire and not job.state.known.get("two"):
        try:
            yield from scan(job)
            job.report.why = why
            return
        except (TooMany, Unsorted):
            why += ", and a scan of the ids was not enough"
    yield from full(job)
    job.report.why = why


def _keep(job: Job) -> None:
    if not job.history:
        # What changed from here on back was not noted, so the past begins anew.
        job.state.known["memory_from"] = state.now()
    with job.writing() as connection:
        state.save(connection, job.state)


def _job(database: Database, name: str, lease: Lease, run: int, report: ModelReport, history: bool) -> Job:
    with database.reading() as connection:
        found = state.load(connection, name)
        rows = state.live_rows(connection, layout(name)) if found.complete else None
    return Job(database, layout(name), found, lease, run, history, report, rows)
