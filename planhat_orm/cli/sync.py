"""`planhat sync` and `planhat plan`: bringing the mirror up to date, and what that would take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from .connect import MIRROR, ApiUrlOption, MirrorOption, ModelsArgument, connect, has_mirror, model, title
from .out import JsonOption, console, dump, table
from .progress import Bars
from .service import repeat
from .spans import seconds

if TYPE_CHECKING:
    from ..mirror.report import SyncPlan, SyncReport


def sync(
    models: ModelsArgument = None,
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
    full: Annotated[bool, typer.Option("--full", help="Read every record, not just what changed.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it would take. Makes no request.")] = False,
    every: Annotated[
        float | None, typer.Option("--every", parser=seconds, metavar="SPAN", help="Again and again: 5m, 1h.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the local copy up to date, all models or some.

    It can be stopped, and goes on where it was.

    For example: planhat sync Company License --every 15m
    """
    chosen = [model(name) for name in models or ()]
    if plan:
        _plan(chosen, mirror, api_url, full, as_json)
    elif every is None:
        _sync(chosen, mirror, api_url, full, as_json)
    else:
        repeat(lambda: _sync(chosen, mirror, api_url, full, as_json), every)


def _sync(chosen: list[Any], mirror: str, api_url: str | None, full: bool, as_json: bool) -> None:
    with connect(mirror, api_url) as client:
        with Bars(console(stderr=True)) as bars:
            client.on("wait", bars.waiting)
            report = client.sync(*chosen, full=full, progress=bars)
        if as_json:
            _dump(report)
        else:
            show_report(report, console())


def plan(
    models: ModelsArgument = None,
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
    full: Annotated[bool, typer.Option("--full", help="The plan of reading every record.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a sync would take: requests, time, bytes. Makes no request.

    For example: planhat plan Company License --full
    """
    _plan([model(name) for name in models or ()], mirror, api_url, full, as_json)


def show_report(report: SyncReport, to: Console) -> None:
    """Print what a sync did: the models that changed or could not be read, what there is to say, and the total."""
    head = ("model", "new", "changed", "deleted", "unchanged", "requests", "seconds", "method", "why")
    listed = [line for line in report if any(line.records[:3]) or line.failed or line.skipped]
    rows = [[title(line.model), *line.records, line.requests, round(line.seconds, 1), *line.how] for line in listed]
    if rows:
        table(head, rows, to=to)
    unchanged = [title(line.model) for line in report if line not in listed]
    if unchanged:
        to.print(f"Without a change: {', '.join(unchanged)}")
    for line in report:
        for note in line.notes:
            to.print(f"{title(line.model)}: {note}")
    to.print(
        f"{report.new:,} new, {report.changed:,} changed, {report.deleted:,} deleted: "
        f"{report.requests:,} requests, {report.seconds:.1f} seconds"
    )


def _plan(chosen: list[Any], mirror: str, api_url: str | None, full: bool, as_json: bool) -> None:
    with _readable(mirror) as where, connect(where, api_url, token=False) as client:
        found = client.mirror.plan(chosen or None, full=full)
    if as_json:
        _dump(found)
    else:
        _show_plan(found, console())


def _dump(found: SyncReport | SyncPlan) -> None:
    lines = [{**asdict(line), "model": title(line.model)} for line in found]
    dump({"requests": found.requests, "seconds": round(found.seconds, 3), "models": lines})


@contextmanager
def _readable(mirror: str) -> Iterator[str]:
    """The mirror, or an empty one for as long as the plan is made: a question leaves no file behind."""
    if has_mirror(mirror):
        yield mirror
        return
    with TemporaryDirectory(prefix="planhat-") as folder:
        yield str(Path(folder, MIRROR))


def _show_plan(plan: SyncPlan, to: Console) -> None:
    rows = [(title(line.model), line.method, line.requests, line.rows, _kilobytes(line.bytes)) for line in plan]
    table(("model", "method", "requests", "records", "kilobytes"), rows, to=to)
    unknown = [title(line.model) for line in plan if line.rows is None]
    if unknown:
        to.print(f"Never synced, so the least there can be: {', '.join(unknown)}")
    to.print(
        f"{plan.requests:,} requests, at least {plan.seconds:.0f} seconds at {plan.calls_per_min:g} calls a minute"
    )


def _kilobytes(count: int | None) -> int | None:
    return None if count is None else math.ceil(count / 1000)
