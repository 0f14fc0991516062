"""`planhat push`: send what waits in the outbox, or the differences of a file; `planhat outbox` looks after it."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import BulkError, ConfigurationError, FieldError
from ..files import check_free
from ..models.base import Model
from ..models.results import BatchResult
from ..names import did_you_mean
from ..query import kinds
from ..query.kinds import Kind
from ..writes.reconcile_plan import ReconcilePlan
from ..writes.record_plan import RecordPlan
from .connect import MIRROR, ApiUrlOption, MirrorOption, UsageError, connect, model, need_mirror, title
from .out import JsonOption, console, dump, say, table

outbox = typer.Typer(
    help="List, retry and discard the writes that wait.\n\nFor example: planhat outbox --json", no_args_is_help=False
)

_CONVERTERS: dict[str, Callable[[Any], Any] | Kind] = {
    "number": kinds.NUMBER,
    "integer": kinds.INTEGER,
    "boolean": kinds.BOOLEAN,
    "date": kinds.DAY,
    "moment": kinds.DATETIME,
    "list": kinds.LIST,
    "lower": lambda value: value.lower() if isinstance(value, str) else value,
    "upper": lambda value: value.upper() if isinstance(value, str) else value,
    "text": kinds.TEXT,
}
"""What a mapping file can do with a cell before it is compared: a kind to read it as, or a function."""


def push(
    file: Annotated[
        str | None,
        typer.Argument(
            help="A CSV, Excel, Parquet, JSON or JSON Lines file to compare Planhat with; - is standard input."
        ),
    ] = None,
    model_name: Annotated[str | None, typer.Option("--model", help="What the file's rows are: Company, ...")] = None,
    key: Annotated[str, typer.Option(help="The field that tells which record a row is.")] = "source_id",
    mapping: Annotated[
        Path | None, typer.Option("--map", help="A TOML file: which column goes to which field.")
    ] = None,
    outgoing: Annotated[
        Path | None, typer.Option("--outgoing", help="Write what goes back to the other system to this CSV file.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete records that have no row in the file.")] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="An empty cell clears the field, instead of leaving it.")
    ] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Rows that share a key become one; else they are refused.")
    ] = False,
    dayfirst: Annotated[
        bool | None, typer.Option("--dayfirst/--monthfirst", help="Which comes first in dates such as 03/04/2026.")
    ] = None,
    date_format: Annotated[
        str | None, typer.Option("--date-format", help="How dates are written, as strptime says it: %d.%m.%Y.")
    ] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of a text file that is read wrong.")] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="Of a workbook; else its first one.")] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Show every change, not only the first ones, before asking. Without a file: show what waits, and send "
            "nothing.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send without asking.")] = False,
    on_conflict: Annotated[str, typer.Option(help="For waiting writes: raise, ours or theirs.")] = "raise",
    as_json: JsonOption = False,
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
) -> None:
    """Send what waits in the outbox; or, given a file, the differences between its rows and Planhat's records.

    For example: planhat push crm.csv --model Company --key externalId
    """
    if file is None:
        _push_outbox(mirror, api_url, on_conflict, plan_only=plan and not yes, as_json=as_json)
        return
    if model_name is None:
        raise UsageError("Say what the rows of the file are: --model Company.")
    columns, owner = read_mapping(mapping) if mapping is not None else (None, {})
    if outgoing is not None:
        check_free(outgoing, "choose another name, or move it away")
    with connect(None, api_url) as client:
        found: ReconcilePlan[Model] = (
            model(model_name)
            .objects.using(client)
            .reconcile(
                file, key, columns, delete=delete, empty="clear" if clear else "skip",
                duplicates="merge" if merge else "raise", dayfirst=dayfirst, format=date_format, encoding=encoding,
                sheet=sheet, owner=owner,
            )
        )  # fmt: skip
        if outgoing is not None:
            found.outgoing.to_csv(outgoing)
        shown = found.text(None) if plan else str(found)
        console(stderr=as_json).print(shown)
        # Once it is sent nothing is left of it.
        planned = json.loads(found.to_json()) if as_json else None
        differs = bool(found.creates or found.updates or found.deletions)
        result = applied(found) if differs and (yes or (not as_json and agreed())) else None
        if as_json:
            told = None if result is None else facts(result, lambda record: getattr(record, key, None))
            dump({"plan": planned, "outgoing": len(found.outgoing), "result": told})
        elif result is not None:
            console().print(str(result))
            bad = [(getattr(row.object, key, None), row.status, row.error) for row in result.rows if not row.ok]
            if bad:
                table((key, "status", "why"), bad)
        if result is None and differs:
            say("Nothing was sent.")
            # Who asked for a plan got it; a push that nobody agreed to did not do what it is for.
            raise typer.Exit(0 if plan else 1)
        if result is not None and not result.ok:
            raise typer.Exit(1)


def applied(found: RecordPlan[Any]) -> BatchResult:
    """Send a plan, and return what became of its records, also where some failed."""
    try:
        return found.apply()
    except BulkError as failed:
        result: BatchResult = failed.result
        return result


def agreed(question: str = "Send this?") -> bool:
    """Ask; no answer, as in a job that nobody watches, is no."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        return False


def read_mapping(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The mapping of a TOML file, and the owners of fields.

    `"Column" = "field"`, or `"Column" = {field = "mrr", convert = "number", owner = "planhat"}`.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"There is no file {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise ConfigurationError(f"{path.name} is no TOML: {wrong}.") from None
    columns: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for column, goal in found.get("columns", found).items():
        if isinstance(goal, str):
            columns[column] = goal
            continue
        if not isinstance(goal, dict) or not isinstance(goal.get("field"), str):
            raise ConfigurationError(
                f'{path.name}: {column!r} needs a field name, or {{field = "...", convert = "..."}}.'
            )
        convert = goal.get("convert")
        if convert is not None and convert not in _CONVERTERS:
            raise FieldError(
                f"{path.name}: there is no conversion {convert!r}.{did_you_mean(str(convert), _CONVERTERS)}"
            )
        columns[column] = goal["field"] if convert is None else (goal["field"], _CONVERTERS[convert])
        if "owner" in goal:
            owner[goal["field"]] = goal["owner"]
    return columns, owner


def _push_outbox(mirror: str, api_url: str | None, on_conflict: str, *, plan_only: bool, as_json: bool) -> None:
    need_mirror(mirror)
    if plan_only:
        _show_waiting(mirror, as_json=as_json)
        return
    policies: tuple[Literal["raise", "ours", "theirs"], ...] = ("raise", "ours", "theirs")
    policy = next((policy for policy in policies if policy == on_conflict), None)
    if policy is None:
        raise UsageError(f"--on-conflict takes raise, ours or theirs.{did_you_mean(on_conflict, policies)}")
    with connect(mirror, api_url) as client:
        result = client.push(on_conflict=policy)
        if as_json:
            dump(facts(result, lambda entry: entry.seq))
        else:
            console().print(str(result))
            _show_failures(result)
        if not result.ok:
            say('What could not be sent waits: "planhat outbox" lists it, with retry and discard.')
            raise typer.Exit(1)


def facts(result: BatchResult, label: Callable[[Any], object]) -> dict[str, object]:
    """A result as JSON: how many rows have which status, and those that did not succeed."""
    bad = [row for row in result.rows if not row.ok]
    return {
        "ok": result.ok,
        "requests": result.requests,
        "statuses": Counter(row.status for row in result.rows),
        "failures": [{"key": label(row.object), "status": row.status, "error": row.error} for row in bad],
    }


def _show_failures(result: BatchResult) -> None:
    bad = [row for row in result.rows if not row.ok]
    if bad:
        table(
            ("seq", "write", "model", "record", "status", "why"),
            ((r.object.seq, r.object.op, title(r.object.resource), r.object.record, r.status, r.error) for r in bad),
        )


@outbox.callback(invoke_without_command=True)
def listed(context: typer.Context, as_json: JsonOption = False, mirror: MirrorOption = MIRROR) -> None:
    """Show the writes that wait to be sent, or whose answer was lost."""
    context.obj = mirror
    if context.invoked_subcommand is None:
        need_mirror(mirror)
        _show_waiting(mirror, as_json=as_json)


def _show_waiting(mirror: str, *, as_json: bool) -> None:
    with connect(mirror, token=False) as client:
        entries = client.mirror.outbox.entries()
        if as_json:
            dump([_entry(entry) for entry in entries])
            return
        if not entries:
            console().print("The outbox is empty.")
            return
        table(
            ("seq", "write", "model", "record", "fields", "state", "since", "why"),
            (
                (entry.seq, entry.op, title(entry.resource), entry.record, ", ".join(entry.patch), entry.state,
                 entry.created_at[:19].replace("T", " "), entry.error)
                for entry in entries
            ),
        )  # fmt: skip


def _entry(entry: Any) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "write": entry.op,
        "model": title(entry.resource),
        "record": entry.record,
        "fields": list(entry.patch),
        "state": entry.state,
        "since": entry.created_at,
        "error": entry.error,
    }


@outbox.command("retry")
def retry(
    context: typer.Context,
    seqs: Annotated[list[int] | None, typer.Argument(metavar="[SEQ]...", help="Which ones. Default: all.")] = None,
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help="Activities that may have arrived, too: they may come twice then.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let failed and conflicting writes be sent by the next push.

    An activity that may have arrived is sent again where it is named by
    its number, or with --in-doubt.

    For example: planhat outbox retry 12
    """
    need_mirror(context.obj)
    with connect(context.obj, token=False) as client:
        count = client.mirror.outbox.retry(*(seqs or ()), in_doubt=in_doubt)
    dump({"retried": count}) if as_json else console().print(f"{count} will be sent by the next push.")


@outbox.command("discard")
def discard(
    context: typer.Context,
    seqs: Annotated[list[int] | None, typer.Argument(metavar="[SEQ]...", help="Which ones.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give writes up; the mirror shows Planhat's values again.

    For example: planhat outbox discard 12 13
    """
    if not seqs and not everything:
        raise UsageError("Say which ones by number (planhat outbox lists them), or --all.")
    need_mirror(context.obj)
    with connect(context.obj, token=False) as client:
        count = client.mirror.outbox.discard(*(seqs or ()))
    dump({"discarded": count}) if as_json else console().print(f"{count} discarded.")
