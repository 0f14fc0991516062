"""A sync: model after model, by the cheapest way that is proved, and a report of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from functools import partial

import msgspec
from sqlalchemy import insert, update

from ...errors import AuthenticationError, ConnectionFailed, NotFound, PermissionDenied, RequestError
from ...http.effects import Flow, RunBlocking
from ...wire.list_page import learn_names
from ...wire.list_reader import NotSortedById
from ..db import state, tables
from ..db.database import Database
from ..db.layout import layout_for
from ..db.lease import Lease, acquire
from ..db.life import Holder
from ..report import ModelReport, SyncReport
from ..sharing import custom_fields, views
from .guarded import is_early, settle
from .in_turn import InTurn
from .incremental import incremental
from .job import Finish, ModelSync
from .metrics import metrics
from .paging import NotSortedByStamp
from .strategy import by_the_best_way, choose

_TURNS = 5
"""How often a first load may wait for records that are written while it looks others up."""


def sync(
    opened: Callable[[], Database],
    names: Iterable[str],
    *,
    force_full: bool,
    history: bool,
    metric_days: int,
    optional: Collection[str] = (),
) -> Flow[SyncReport]:
    """Bring tables up to date. Emits `Progress`; returns the report.

    Of `optional` names, which come last, the report says what failed, and nothing is raised.
    """
    database: Database = yield RunBlocking(opened)
    names = list(names)
    report = SyncReport()
    began = time.monotonic()
    failures: list[RequestError] = []
    holder = Holder(database)
    lease: Lease | None = None

    def made(name: str) -> Flow[None]:
        assert lease is not None
        return _sync_model(
            database, name, lease, report, force_full=force_full, history=history, metric_days=metric_days
        )

    turns = InTurn(names, made)
    try:
        lease = yield RunBlocking(lambda: acquire(holder))
        assert lease is not None
        report.run = yield RunBlocking(lambda: _start(database, names))
        for name in names:
            if name in optional and all(report.models[other].failed for other in names if other not in optional):
                report.models.pop(name, None)
                continue  # what it is wanted for could not be read
            turned = time.monotonic()
            try:
                yield from turns.run(name)
            except (AuthenticationError, ConnectionFailed):
                raise  # the other models would fare no better
            except RequestError as failed:
                # One list that cannot be read must not keep the others from being current.
                report.models[name].failed = str(failed)
                if name not in optional:
                    failures.append(failed)
            report.models[name].seconds = time.monotonic() - turned
        report.seconds = time.monotonic() - began
        yield RunBlocking(lambda: _end(database, names, report))
    finally:
        turns.close()
        try:
            if lease is not None:
                lease.release()
        finally:
            holder.end()  # it may have been cut off before it heard that the right is its own
    if failures:
        failures[0].add_note(f"The sync brought all models up to date but these: {', '.join(report.failed)}.")
        raise failures[0]
    return report


def _start(database: Database, names: list[str]) -> int:
    custom_fields.index(database, names)
    views.refresh(database, names)
    with database.writing() as connection:
        made = connection.execute(insert(tables.runs).values(started_at=state.now()))
        key = made.inserted_primary_key
        assert key is not None
        return int(key[0])


def _end(database: Database, names: list[str], report: SyncReport) -> None:
    if "custom_field" in report.models:
        # It may have brought custom fields that the account did not have before.
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
    database: Database,
    name: str,
    lease: Lease,
    report: SyncReport,
    *,
    force_full: bool,
    history: bool,
    metric_days: int,
) -> Flow[None]:
    mine = report.models[name] = ModelReport(name)
    job: ModelSync = yield RunBlocking(lambda: _job(database, name, lease, report.run, mine, history, force_full))
    try:
        yield job.progress(0, "starting")
        read = partial(metrics, job, metric_days) if name == "metric" else partial(by_the_best_way, job)
        yield from _settle_and_publish(job, (yield from read()), read)
        if job.resumed:
            yield from _catch_up(job)
    except (PermissionDenied, NotFound) as refused:
        mine.skipped = "no permission (403)" if isinstance(refused, PermissionDenied) else "not in this tenant (404)"
    finally:
        job.name_repaired()
        mine.requests, mine.bytes = job.traffic.requests, job.traffic.bytes
    yield job.progress(mine.new + mine.changed + mine.unchanged, "done")


def _catch_up(job: ModelSync) -> Flow[None]:
    """Bring in what changed since a pass that was cut off began, as far as that is cheap."""
    method, _ = choose(job.state, job.layout.resource, job.rows_before, force_full=False)
    if method != "incremental":
        return
    unchanged = job.report.unchanged
    try:
        yield from _settle_and_publish(job, (yield from incremental(job)), partial(incremental, job))
    except (NotSortedByStamp, NotSortedById):
        return  # the next sync finds the same and takes the longer way
    finally:
        job.report.method, job.report.unchanged = "full", unchanged


def _settle_and_publish(job: ModelSync, finish: Finish, read: Callable[[], Flow[Finish]]) -> Flow[None]:
    """Make what was found visible, but for what it takes back of acknowledged writes.

    A first load has no rows of before to keep, so it is read anew where too many records were written meanwhile, and
    waits for those that are written while it looks the others up.
    """
    yield from settle(job)
    if job.undecided and not job.state.complete:
        job.first_page = job.state.cursor = None
        unchanged = job.report.unchanged
        finish = yield from read()
        job.report.unchanged = unchanged
        yield from settle(job)
    for turn in range(_TURNS):
        is_published: bool = yield RunBlocking(partial(_publish, job, finish, at_once=turn == _TURNS - 1))
        if is_published:
            return
        yield from settle(job)


def _publish(job: ModelSync, finish: Finish, *, at_once: bool) -> bool:
    """Make what was found visible, all of it at once, together with what is known about it; return whether it is."""
    found = job.state
    known = found.as_of, found.full_as_of, found.synced_at, found.watermark
    with job.writing() as connection:
        if not at_once and is_early(job, connection):
            return False
        finish(connection)
        if job.undecided:
            found.as_of, found.full_as_of, found.synced_at, found.watermark = known
            job.report.notes.append(
                f"{job.undecided:,} records were written while the list was read, and are looked at by the next sync"
            )
        found.method, found.why = job.report.method, job.report.why
        state.save(connection, found)
    return True


def _job(
    database: Database, name: str, lease: Lease, run: int, report: ModelReport, history: bool, forced: bool
) -> ModelSync:
    with database.reading() as connection:
        found = state.load(connection, name)
        rows = state.live_rows(connection, layout_for(name)) if found.complete else None
    learn_names(layout_for(name).resource, found.traits.learned)
    return ModelSync(database, layout_for(name), found, lease, run, history, report, rows, forced)
