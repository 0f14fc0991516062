"""Acknowledged writes against pages that were asked for before them.

What a page shows of a guarded record is older than the guard, or may be, as lists lag. The mirror's row then stays, or
the record is asked for by its id, whichever the guard is good for. Nothing that was acknowledged is taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, select

from ...errors import NotFound, PermissionDenied
from ...http.effects import Flow, RunBlocking
from ...json_encoding import rewrite
from ...query.kinds import DATETIME
from ...wire import records
from ...wire.list_page import full_select
from ...wire.patches import same
from ...wire.resources import FieldInfo
from ..db import guards, tables
from ..db.changes import Raw, chunks
from ..db.clock import Instant
from ..db.guards import Guard
from ..outbox.outbox import Outbox

if TYPE_CHECKING:
    from .job import ModelSync

READ = 20
"""So many records are asked for by their ids at most; where it should be more, the model's `as_of` stays."""


def settle(job: ModelSync) -> Flow[None]:
    """Ask for the records of which neither the pages nor the mirror are certainly right, before all is published."""
    job.undecided = 0
    doubtful: list[str] = yield RunBlocking(lambda: _doubtful(job))
    if not doubtful:
        return
    readable = doubtful[:READ] if _is_readable(job) else []
    answers: dict[str, Raw | None] = {}
    for id in readable:
        try:
            answers[id] = yield from _read(job, id)
        except PermissionDenied:
            continue
    asked = job.traffic.oldest()
    yield RunBlocking(lambda: _take(job, doubtful, answers, asked))


def _read(job: ModelSync, id: str) -> Flow[Raw | None]:
    """A record as a list would show it, None where it is gone."""
    resource = job.layout.resource
    shown = full_select(resource)
    try:
        row: Raw = yield from job.traffic.counting(records.get(resource, id, select=shown))
    except NotFound:
        gone = yield from job.without_late([id])
        return None if gone else (yield RunBlocking(lambda: _bottoms(job, [id])[id]))
    return row if shown is None else {wire: row[wire] for wire in row if wire in shown}


def _is_readable(job: ModelSync) -> bool:
    return "get_by_id" in job.layout.resource.operations


def _doubtful(job: ModelSync) -> list[str]:
    with job.writing() as connection:
        known = guards.load(connection, job.layout.table)
        if not known:
            return []
        if not job.state.complete:
            return sorted(_unsure(job, known))
        doubtful, kept = _compare(job, connection, known)
        job.unstage(connection, kept)
        return doubtful


def _unsure(job: ModelSync, known: Mapping[str, Guard]) -> Iterator[str]:
    """Guarded records that the pages of a first load may show as they were, and that were not asked for since."""
    first = job.first_page or Instant(0, 0)
    for id, guard in known.items():
        asked = job.read_by_id.get(id)
        if guard.is_after(asked or first) or (asked is None and _is_readable(job) and guard.may_lag(first)):
            yield id


def _compare(job: ModelSync, connection: Connection, known: Mapping[str, Guard]) -> tuple[list[str], list[str]]:
    """Guarded records that pages show otherwise: those to be asked for, and those of which the mirror's row stays."""
    doubtful, kept = list[str](), list[str]()
    staged = _staged(job, connection, list(known))
    bottoms = Outbox(job.database, history=job.history).bottoms(connection, job.layout.table, list(staged))
    for id, (page, row) in staged.items():
        guard, before = known[id], bottoms.get(id)
        if _stays(job, guard, page, row, before):
            kept.append(id)
        elif _agrees(job, row, before):
            continue
        elif guard.is_after(page) or (guard.may_lag(page) and not _has_our_write(job, guard, row, before)):
            doubtful.append(id)
    return doubtful, kept


def _stays(job: ModelSync, guard: Guard, page: Instant, row: Raw | None, before: Raw | None) -> bool:
    """Whether the mirror's row is certainly later than a page's: the whole record was told after it was asked for.

    But for a change of others that came between our write and its acknowledgement, which the time of change shows.
    """
    return guard.is_after(page) and guard.whole and not _is_newer(job, row, before)


def _staged(job: ModelSync, connection: Connection, ids: list[str]) -> dict[str, tuple[Instant, Raw | None]]:
    stage, found = tables.stage.c, dict[str, tuple[Instant, Raw | None]]()
    for part in chunks(ids):
        statement = select(stage.record, stage.body, stage.asked, stage.sent_at)
        for id, body, asked, at in connection.execute(
            statement.where(stage.resource == job.layout.table, stage.record.in_(part))
        ):
            row = None if body is None else msgspec.json.decode(body)
            found[id] = (Instant(asked or 0, at or 0), row)
    return found


def _agrees(job: ModelSync, row: Raw | None, before: Raw | None) -> bool:
    """Whether a page shows what the mirror holds, but for what lists do not show."""
    if row is None or before is None:
        return row is before
    shown = full_select(job.layout.resource)
    return same(row, before if shown is None else {wire: before[wire] for wire in before if wire in shown})


def _is_newer(job: ModelSync, row: Raw | None, before: Raw | None) -> bool:
    left, right = (_stamp(job, record) for record in (row, before))
    return left is not None and right is not None and left > right


def _has_our_write(job: ModelSync, guard: Guard, row: Raw | None, before: Raw | None) -> bool:
    """Whether a page is certainly later than the write that the guard stands for.

    Where the answer to it was a part of the record, the mirror's time of change is that of before it, and a later one
    does not tell: then the page must show all else that can be set as the mirror has it.
    """
    return _is_newer(job, row, before) and (guard.whole or _agrees_in_what_can_be_set(job, row, before))


def _agrees_in_what_can_be_set(job: ModelSync, row: Raw | None, before: Raw | None) -> bool:
    if row is None or before is None:
        return row is before
    fields, shown = job.layout.resource.fields, full_select(job.layout.resource)
    wires = [wire for wire in {**row, **before} if shown is None or wire in shown]
    return all(same(row.get(wire), before.get(wire)) for wire in wires if not _is_computed(fields.get(wire)))


def _is_computed(field: FieldInfo | None) -> bool:
    return field is not None and field.read_only


def _stamp(job: ModelSync, row: Raw | None) -> Any:
    return None if row is None or job.stamp is None else DATETIME.comparable(row.get(job.stamp))


def _bottoms(job: ModelSync, ids: list[str]) -> dict[str, Raw | None]:
    with job.reading() as connection:
        return Outbox(job.database, history=job.history).bottoms(connection, job.layout.table, ids)


def _take(job: ModelSync, doubtful: list[str], answers: Mapping[str, Raw | None], asked: Instant) -> None:
    """Keep aside what was answered instead of what the pages showed; of the others the mirror's row stays."""
    with job.writing() as connection:
        if job.state.complete:
            job.unstage(connection, doubtful)
            bodies = {id: None if row is None else rewrite(row).decode() for id, row in answers.items()}
            job.stage(connection, bodies, asked)
        else:
            rows = [row for row in answers.values() if row is not None]
            job.store(connection).put(rows, [id for id, row in answers.items() if row is None])
    job.read_by_id.update(dict.fromkeys(answers, asked))
    job.undecided = len(doubtful) - len(answers)


def is_early(job: ModelSync, connection: Connection) -> bool:
    """Whether a first load is not to be seen yet, as something was acknowledged since `settle` that it lacks."""
    return not job.state.complete and any(_unsure(job, guards.load(connection, job.layout.table)))


def hold_back(job: ModelSync, connection: Connection) -> None:
    """Keep what was acknowledged since `settle`, in the transaction that publishes all else."""
    known = guards.load(connection, job.layout.table)
    if not known:
        return
    if not job.state.complete:
        job.undecided = sum(1 for _ in _unsure(job, known))
        return
    staged = _staged(job, connection, list(known))
    bottoms = Outbox(job.database, history=job.history).bottoms(connection, job.layout.table, list(staged))
    late = {id: (page, row) for id, (page, row) in staged.items() if known[id].is_after(page)}
    job.unstage(connection, list(late))
    for id, (page, row) in late.items():
        job.read_by_id.pop(id, None)
        job.undecided += not _stays(job, known[id], page, row, bottoms.get(id))
