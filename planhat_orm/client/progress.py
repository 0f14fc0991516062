"""What `sync(progress=True)` shows: bars in a notebook, elsewhere a line on standard error for each model."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..mirror.report import Progress

_SECONDS = 0.1
"""Bars are drawn no more often, since each drawing travels to the browser."""


def shown() -> Callable[[Progress], None]:
    """What draws the progress where this program runs."""
    # A notebook has loaded it already; nobody else needs it.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return _Bars() if getattr(shell, "kernel", None) is not None else _line


def _line(event: Progress) -> None:
    if event.phase == "done":
        print(f"{event.model:<13} {event.rows:>9,} records {event.requests:>4} requests", file=sys.stderr)


class _Bars:
    """One output of a cell, drawn again and again."""

    def __init__(self) -> None:
        self._models: dict[str, Progress] = {}
        self._drawn = 0.0
        self._output: Any = None

    def __call__(self, event: Progress) -> None:
        self._models[event.model] = event
        if event.phase != "done" and time.monotonic() - self._drawn < _SECONDS:
            return
        from IPython.display import HTML, display

        self._drawn = time.monotonic()
        drawn = HTML(f"<table>{''.join(map(_row, self._models.values()))}</table>")  # type: ignore[no-untyped-call]
        if self._output is None:
            self._output = display(drawn, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._output.update(drawn)


def _row(event: Progress) -> str:
    done = event.phase == "done"
    # The total of last time is a guess; a bar that is full is one that is done.
    size = (1, 1) if done else None if not event.total else (event.rows, max(event.total, event.rows + 1))
    bar = "<progress></progress>" if size is None else f'<progress value="{size[0]}" max="{size[1]}"></progress>'
    cells = (escape(event.model), bar, f"{event.rows:,} records", f"{event.requests:,} requests", escape(event.phase))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
