"""The demo's steps, in the order in which they are told."""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ... import Company, Conversation, Enduser, License, Planhat, Task, User
from ...models.labels import label_of
from ...models.results import BatchResult
from ...writes import WritePlan
from ..emulator import inventory
from ..out import table
from ..progress import Bars
from ..sync import show_report
from .code import QUESTIONS, change, shown
from .request_counts import RequestCounts, Step

if TYPE_CHECKING:
    from ...emulator import Emulator

MODELS = (Company, Enduser, License, Conversation, Task, User)
_PLAN_LINES = 3


class Story:
    """One run of the demo. Every method is a step; `differences` collects what should not be."""

    def __init__(self, emulator: Emulator, mirror: Path, calls_per_min: float, console: Console) -> None:
        self._emulator = emulator
        self._mirror = mirror
        self._calls_per_min = calls_per_min
        self._console = console
        self._counts = RequestCounts(emulator)
        self._steps = 0
        self._began = time.monotonic()
        self.differences: list[str] = []

    def tell(self) -> bool:
        """Run all steps and say whether everything agreed."""
        with self._emulator:
            self._head("Start an emulated Planhat on this computer")
            self._say(f"{self._emulator.url} has {inventory(self._emulator)}.")
            with self._connect() as planhat:
                self._first_sync(planhat)
        with self._connect() as planhat:
            self._ask(planhat)
        # Another program may have taken the port meanwhile; then the emulator has a new one, and so this client.
        with self._emulator, self._connect() as planhat:
            result = self._change(planhat)
            self._second_sync(planhat, result)
            self._compare(planhat, result)
        self._close()
        return not self.differences

    def _connect(self) -> Planhat:
        emulator = self._emulator
        return Planhat(
            emulator.api_token,
            emulator.tenant_token,
            api_url=emulator.url,
            analytics_url=emulator.url,
            mirror=self._mirror,
            calls_per_min=self._calls_per_min,
            scan="allow",
        )

    def _first_sync(self, planhat: Planhat) -> None:
        self._head(f"Copy six models into a SQLite file, {self._mirror.name}")
        self._code(f"planhat.sync({', '.join(model.__name__ for model in MODELS)})")
        with self._counts.step("first sync", planhat) as step, Bars(self._console) as bars:
            report = planhat.sync(*MODELS, progress=bars)
        self._say(f"{report.new:,} records in {report.seconds:.1f} seconds.")
        self._check_requests(step)

    def _ask(self, planhat: Planhat) -> None:
        self._head("Stop the server, and ask the copy three questions")
        with self._counts.step("three questions, server off", planhat) as step, planhat.offline():
            for question in QUESTIONS:
                self._say(str(question.__doc__))
                self._code("with planhat.offline():\n" + textwrap.indent(shown(question), "    "))
                rows = list(question())
                head = list(rows[0]) if rows else ["nothing found"]
                table(head, (list(row.values()) for row in rows), to=self._console)
                self._console.print()
        self._check_requests(step)

    def _change(self, planhat: Planhat) -> BatchResult:
        self._head("Start the server again, and change a few hundred records")
        self._code(shown(change))
        told: list[WritePlan | BatchResult] = []
        with self._counts.step("read and change records", planhat) as step:
            change(planhat, told.append)
        plan, result = told
        assert isinstance(plan, WritePlan) and isinstance(result, BatchResult)
        self._plan(plan)
        self._say(f"The result: {result}.")
        models = {type(row.object).__name__ for row in result}
        puts = self._emulator.log.count("PUT")
        self._check(puts == len(models), f"{puts} bulk upserts were sent for {len(models)} models")
        self._check_requests(step, f": {step.sent - puts} to read, {puts} bulk upserts, one for each model")
        return result

    def _plan(self, plan: WritePlan) -> None:
        self._say("The plan, shortened:")
        seen: Counter[str] = Counter()
        rows = []
        for field_change in plan.changes:
            seen[field_change.model] += 1
            if seen[field_change.model] <= _PLAN_LINES:
                rows.append((label_of(field_change.object), field_change.field, field_change.old, field_change.new))
        table(("record", "field", "old", "new"), rows, to=self._console)
        self._say(f"... and {len(plan.changes) - len(rows)} more. In all: {plan.summary()}.")

    def _second_sync(self, planhat: Planhat, result: BatchResult) -> None:
        self._head("Sync again")
        with self._counts.step("second sync", planhat) as step, Bars(self._console) as bars:
            report = planhat.sync(*MODELS, progress=bars)
        show_report(report, self._console)
        self._check_requests(step)

    def _compare(self, planhat: Planhat, result: BatchResult) -> None:
        self._head("Does the copy agree with the server?")
        records = rows = 0
        with self._counts.step("compare the copy with the server", planhat) as step:
            for model in MODELS:
                ids = [row.object.id for row in result if type(row.object) is model]
                records += len(ids)
                theirs = model.objects.using("api").in_bulk(ids)
                ours = model.objects.using("mirror").in_bulk(ids)
                for id in ids:
                    same = id in theirs and id in ours and theirs[id].to_wire() == ours[id].to_wire()
                    self._check(same, f"{model.__name__} {id} differs")
                there = model.objects.using("api").include_hidden().count()
                here = model.objects.using("mirror").include_hidden().count()
                rows += here
                self._check(there == here, f"the server has {there} {model.__name__}, the copy {here}")
        if not self.differences:
            self._say(
                f"Yes: all {records} changed records are the same field by field, and the counts of all six models "
                f"are the same, {rows:,} records together."
            )
        self._check_requests(step)

    def _close(self) -> None:
        self._head("Requests, as the client counted them and as the emulator logged them")
        steps = [*self._counts.steps, self._counts.total]
        head = ("step", "client", "emulator's log")
        table(head, [(step.name, step.sent, step.logged) for step in steps], to=self._console)
        self._check(self._counts.agrees, "the two counts of requests differ")
        seconds = time.monotonic() - self._began
        verdict = "Both counts agree." if not self.differences else f"Not as it should be: {self.differences[0]}."
        self._say(f"{verdict} The demo took {seconds:.0f} seconds.")

    # --- telling ----------------------------------------------------------------------------------------

    def _head(self, text: str) -> None:
        self._steps += 1
        self._console.print(f"\n{self._steps}. {text}", style="bold")

    def _say(self, text: str) -> None:
        self._console.print(textwrap.fill(text, min(100, self._console.width), break_long_words=False))

    def _code(self, text: str) -> None:
        self._console.print(f"\n{textwrap.indent(text, '    ')}\n", style="cyan")

    def _check_requests(self, step: Step, more: str = "") -> None:
        self._check(step.sent == step.logged, f"{step.name}: {step.told}")
        self._console.print(f"({step.told}{more})", style="green")

    def _check(self, fine: bool, otherwise: str) -> None:
        if not fine:
            self.differences.append(otherwise)
