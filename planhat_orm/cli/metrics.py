"""`planhat metrics push` and `planhat metrics get`: values of dimensions, from a file and as rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import PlanhatError, ValidationError
from ..wire.analytics import check_rows
from ..wire.resources import resource
from .connect import ApiUrlOption, connect
from .out import Format, say, write

app = typer.Typer(help="Send values of metrics (dimension data), and read them back.", no_args_is_help=True)
_DAYS = 30


@app.command("push")
def push(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .csv or .jsonl file.", exists=True, dir_okay=False, readable=True)
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the values back: Planhat says yes to whatever comes.")
    ] = False,
    api_url: ApiUrlOption = None,
) -> None:
    """Send metric values from a file. Needs PLANHAT_TENANT_TOKEN.

    Columns: dimensionId, value, externalId, and where needed date and
    model (Company, EndUser, Asset, Project).
    """
    try:
        rows = list(_rows(file))
    except UnicodeDecodeError:
        raise ValidationError(f"{file.name} is no text in UTF-8.") from None
    # A file is meant to be kept whole, so what the endpoint would keep nothing of is refused before anything is sent.
    checked = list(check_rows(resource("metric"), rows, strict=True))
    with connect(None, api_url, token=verify) as client:
        answer = client.metrics.bulk_insert_metrics(checked, verify=verify)
    refused = answer.get("errors") or []
    say(f"Sent {len(rows):,} values{', and read them back' if verify else ''}.")
    if refused:
        raise PlanhatError(f"Planhat refused {len(refused)} of {len(rows)} values.")


@app.command("get")
def get(
    start: Annotated[
        str | None, typer.Option("--from", help="The first day, such as 2026-01-31.", show_default="30 days back")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The last day.", show_default="today")] = None,
    company: Annotated[str | None, typer.Option("--company", help="Only of this company, by Planhat's id.")] = None,
    dimension: Annotated[str | None, typer.Option("--dimension", help="Only this metric.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write the result.")] = Format.table,
    api_url: ApiUrlOption = None,
) -> None:
    """Show metric values between two days, both included."""
    today = datetime.now(UTC).date()
    with connect(None, api_url) as client:
        pages = client.metrics.get_dimension_data(
            start or today - timedelta(days=_DAYS), end or today, company_id=company, dimension_id=dimension
        )
        rows = [row for page in pages for row in page]
    columns = ["dimensionId", "time", "value", "model", "parentId", "companyName"]
    columns += dict.fromkeys(key for row in rows for key in row if key not in columns and key != "_id")
    write(rows, columns, form)
    say(f"{len(rows):,} values.")


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    match file.suffix.lower():
        case ".csv":
            with file.open(encoding="utf-8-sig", newline="") as lines:
                for number, row in enumerate(csv.DictReader(lines), 2):
                    yield _typed({name: text for name, text in row.items() if text}, file, number)
        case ".jsonl" | ".ndjson":
            with file.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield _object(line, file, number)
        case other:
            raise ValidationError(f"{file.name} is a {other or 'nameless'} file: metrics come as .csv or .jsonl.")


def _typed(row: dict[str, Any], file: Path, number: int) -> dict[str, Any]:
    if None in row:
        raise ValidationError(f"{file.name}, line {number}: more cells than the first line has names.")
    if "value" in row:
        try:
            row["value"] = float(row["value"])
        except ValueError:
            raise ValidationError(f"{file.name}, line {number}: the value is no number.") from None
    return row


def _object(line: str, file: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise ValidationError(f"{file.name}, line {number}: no JSON object.")
    return row
