"""Progress of a sync: a bar for each model in a terminal, one line for each elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from .connect import title

if TYPE_CHECKING:
    from ..http.events import WaitEvent
    from ..mirror.report import Progress as Event

_WORTH_A_LINE = 5.0
_REASONS = {
    "quota": "waiting for the quota",
    "rate limit": "Planhat wants fewer calls, waiting",
    "retry": "a try failed, waiting",
    "answer": "waiting for an answer",
}


class Bars:
    """What to hand to `planhat.sync(progress=...)`, and `waiting` to `planhat.on("wait", ...)`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<13}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:>9,.0f} records"),
            TextColumn("{task.fields[requests]:>4} requests"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            # A dumb terminal shows a bar once, when it is full.
            disable=not console.is_interactive,
        )
        self._tasks: dict[str, TaskID] = {}
        self._left = 0.0

    def waiting(self, event: WaitEvent) -> None:
        """Say what is waited for, and how long yet: beside the bar, or in a line of its own when a pause begins."""
        note = f"{_REASONS[event.reason]}, {event.seconds:.0f} s left"
        if not self._bars.disable:
            if self._tasks:
                self._bars.update(list(self._tasks.values())[-1], note=note)
            return
        # Ticks of one pause count down, so one that counts up is another pause.
        if event.reason != "answer" and event.seconds >= _WORTH_A_LINE and event.seconds > self._left:
            self._console.print(note)
        self._left = event.seconds

    def __call__(self, event: Event) -> None:
        """Show how far a model is."""
        done = event.phase == "done"
        if self._bars.disable:
            if done:
                self._console.print(f"{title(event.model):<13} {event.rows:>9,} records {event.requests:>4} requests")
            return
        if event.model not in self._tasks:
            self._tasks[event.model] = self._bars.add_task(title(event.model), total=event.total, requests=0, note="")
        # The total of last time is a guess; a bar that is full is one that is done.
        total = max(event.rows, 1) if done else None if event.total is None else max(event.total, event.rows + 1)
        self._bars.update(
            self._tasks[event.model], completed=event.rows or done, total=total, requests=event.requests, note=""
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
