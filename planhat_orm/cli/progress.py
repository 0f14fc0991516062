"""Progress of a sync: a bar for each model in a terminal, one line for each elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from .connect import title

if TYPE_CHECKING:
    from ..mirror.report import Progress as Event


class Bars:
    """What to hand to `planhat.sync(progress=...)`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<13}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:>9,.0f} records"),
            TextColumn("{task.fields[requests]:>4} requests"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Show how far a model is."""
        done = event.phase == "done"
        if self._bars.disable:
            if done:
                self._console.print(f"{title(event.model):<13} {event.rows:>9,} records {event.requests:>4} requests")
            return
        if event.model not in self._tasks:
            self._tasks[event.model] = self._bars.add_task(title(event.model), total=event.total, requests=0)
        # The total of last time is a guess; a bar that is full is one that is done.
        total = max(event.rows, 1) if done else None if event.total is None else max(event.total, event.rows + 1)
        self._bars.update(self._tasks[event.model], completed=event.rows or done, total=total, requests=event.requests)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
