"""The full pass: every record of a list, compared with what is stored, deletions included.

On the first load pages go straight into the table, which answers no query before the last one. A later pass puts
what differs aside and publishes all of it in one transaction, so readers see the state before or the state after.
The checkpoint is written in the page's own transaction: a pass that was cut off goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..http.effects import Flow, Work
from ..wire.resources import ListParam
from . import state
from .pages import OVERLAP, Page, Pass, Unsorted, sweep
from .state import State

if TYPE_CHECKING:
    from .job import Job

_CONFIRM = 200
"""Up to so many records that a list did not show are asked for one by one, where the list alone proves nothing."""


def full(job: Job) -> Flow[None]:
    """Read the whole list of a resource into the mirror."""
    yield from _Full(job).run()


class _Full:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.resource = job.layout.resource
        self.state: State = job.state
        self.hidden: ListParam | None = self.resource.hidden_by
        self.doubtful: set[str] = set()
        self.top: str | None = None
        self.cursor: dict[str, Any] = {}

    def run(self) -> Flow[None]:
        job = self.job
        yield Work(self._begin)
        try:
            for number, (params, scope) in enumerate(self._lists()):
                if number < self.cursor["list"]:
                    continue
                if number and not self.cursor["two"]:
                    break
                yield from self._walk(number, params, scope)
        except Unsorted:
            yield from self._sweep()
        yield from self._confirm()
        yield Work(self._finish)
        job.report.method = "full"

    def _lists(self) -> list[tuple[Mapping[str, str], bool | None]]:
        """The lists to read, and which of the stored records each covers: hidden ones, others, or (None) all.

        The parameter that shows archived records either adds them or shows nothing else (API.md section 6).
        The second list is read only where the first one began as if it were the latter.
        """
        if self.hidden is None:
            return [({}, None)]
        return [({self.hidden.name: "true"}, True), ({}, False)]

    def _begin(self) -> None:
        job = self.job
        with job.writing() as connection:
            if self.state.cursor is not None and self.state.cursor.get("kind") == "full":
                self.cursor = self.state.cursor
                job.report.notes.append(f"resumed after {self.cursor['rank']} records")
            else:
                job.clear_stage(connection)
                self.cursor = {"kind": "full", "list": 0, "two": None, "anchor": "", "rank": 0, "longest": 0, "rows": 0}
            self.top = self.cursor.get("top")
            self.doubtful = set(self.cursor.get("doubtful", ()))
        job.traffic.mark()

    def _walk(self, number: int, params: Mapping[str, str], scope: bool | None) -> Flow[None]:
        job, cursor = self.job, self.cursor
        if cursor["list"] != number:
            cursor.update(list=number, anchor="", rank=0, longest=0)
        walk = Pass(
            self.resource,
            job.traffic,
            params,
            anchor=cursor["anchor"],
            rank=cursor["rank"],
            longest=cursor["longest"],
            expected=job.rows_before,
            overlap=self.state.known.get("overlap", OVERLAP),
        )

        def apply(page: Page) -> Flow[None]:
            if scope and cursor["two"] is None:
                cursor["two"] = not any(row.get(self.hidden.hides) is not True for row in page.rows)  # type: ignore
            covered = scope if cursor["two"] else None
            yield Work(lambda: self._apply(page, covered, walk.longest))
            yield job.progress(cursor["rows"], "reading")

        yield from walk.run(apply)
        self.state.known["cap"] = max(OVERLAP, walk.longest)
        self.state.known["overlap"] = max(8, walk.overlap * 7 // 8)

    def _apply(self, page: Page, scope: bool | None, longest: int) -> None:
        job, cursor = self.job, self.cursor
        with job.writing() as connection:
            store = job.store(connection)
            ids = {row["_id"] for row in page.rows}
            stored = store.between(page.after, page.last)
            gone = [id for id in stored if id not in ids]
            if scope is not None:
                gone = store.shown(gone, self.hidden.hides, scope)  # type: ignore[union-attr, arg-type]
                self.doubtful.update(gone)
                gone = []
            hashes = stored if page.after != page.last else store.hashes(list(ids))
            if scope is not None:
                self.doubtful -= ids
            job.take(connection, store, page.rows, hashes, gone)
            self._see(page)
            cursor.update(
                anchor=page.anchor,
                rank=page.rank,
                longest=longest,
                rows=cursor["rows"] + len(page.rows),
                top=self.top,
                doubtful=sorted(self.doubtful),
                date=cursor.get("date") or job.traffic.first_date,
                sent=cursor.get("sent") or job.traffic.first_sent,
            )
            self.state.cursor = cursor
            state.save(connection, self.state)

    def _see(self, page: Page) -> None:
        stamp = self.job.stamp
        if stamp is None:
            return
        values = [row.get(stamp) for row in page.rows]
        texts = [value for value in values if isinstance(value, str)]
        self.cursor["unstamped"] = self.cursor.get("unstamped", 0) + len(values) - len(texts)
        if texts:
            self.top = max(texts if self.top is None else [self.top, *texts])

    def _sweep(self) -> Flow[None]:
        """What is left to do with a server that does not sort: read everything, call nothing deleted unasked."""
        job = self.job
        job.report.notes.append("the list does not come sorted by _id, so it was read until nothing new showed")
        self.doubtful.clear()
        self.state.known["unsorted_at"] = state.now()
        self.cursor.update(list=0, anchor="", rank=0, longest=0, rows=0)
        seen: set[str] = set()

        def apply(page: Page) -> Flow[None]:
            yield Work(lambda: self._apply(page, None, 0))
            yield job.progress(self.cursor["rows"], "sweeping")

        for params, _ in self._lists():
            seen |= yield from sweep(self.resource, job.traffic, params, apply)

        def missing() -> set[str]:
            with job.reading() as connection:
                return {id for id in job.store(connection).between("", None) if id not in seen}

        self.doubtful = yield Work(missing)

    def _confirm(self) -> Flow[None]:
        """Ask for each record that a list did not show, where not being shown is no proof."""
        job = self.job
        if not self.doubtful:
            return
        if len(self.doubtful) > _CONFIRM or "get_by_id" not in self.resource.operations:
            job.report.notes.append(
                f"{len(self.doubtful)} records were not listed; they stay until they can be asked for one by one"
            )
            return
        gone = yield from job.confirm(sorted(self.doubtful))

        def apply() -> None:
            with job.writing() as connection:
                job.take(connection, job.store(connection), [], {}, gone)

        yield Work(apply)

    def _finish(self) -> None:
        job, found = self.job, self.state
        with job.writing() as connection:
            job.publish(connection, look_for_silent=True)
            date = self.cursor.get("date")
            found.cursor = None
            found.complete = True
            found.as_of = found.full_as_of = date or self.cursor.get("sent") or state.now()
            found.synced_at = self.cursor.get("sent") or state.now()
            found.first_as_of = found.first_as_of or found.synced_at
            found.known.update(unstamped=self.cursor.get("unstamped", 0), two=bool(self.cursor["two"]), unknown=0)
            found.known["full_at"] = found.synced_at
            if self.top is not None:
                # Rows read late carry stamps from after the pass began; what changed behind its back does too.
                found.watermark = self.top if date is None else min(self.top, date)
            job.learn(connection)
            state.save(connection, found)
