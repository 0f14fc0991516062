"""`planhat metrics push` and `planhat metrics get`: values of dimensions, from a file and as rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import PlanhatError, ValidationError
from ..tabular import sources
from ..tabular.cells import is_empty, key_text
from ..wire.analytics import check_rows
from ..wire.resources import resource
from .connect import ApiUrlOption, connect
from .out import Format, FormatOption, JsonOption, dump, say, write

app = typer.Typer(help="Send values of metrics (dimension data), and read them back.", no_args_is_help=True)
_DAYS = 30


@app.command("push")
def push(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A CSV, Excel, Parquet, JSON or JSON Lines file; - is standard input."),
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the values back: Planhat says yes to whatever comes.")
    ] = False,
    as_json: JsonOption = False,
    api_url: ApiUrlOption = None,
) -> None:
    """Send metric values from a file. Needs PLANHAT_TENANT_TOKEN.

    Columns: dimensionId, value, externalId, and where needed date and
    model (Company, EndUser, Asset, Project).

    For example: planhat metrics push seats.csv
    """
    rows = list(_rows(file))
    # A file is meant to be kept whole, so what the endpoint would keep nothing of is refused before anything is sent.
    checked = list(check_rows(resource("metric"), rows, strict=True))
    with connect(None, api_url, token=verify) as client:
        answer = client.metrics.bulk_insert_metrics(checked, verify=verify)
    refused = answer.get("errors") or []
    if as_json:
        dump({"sent": len(rows), "refused": len(refused)})
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
    form: FormatOption = Format.table,
    as_json: JsonOption = False,
    api_url: ApiUrlOption = None,
) -> None:
    """Show metric values between two days, both included.

    For example: planhat metrics get --from 2026-01-01 --dimension seats
    """
    today = datetime.now(UTC).date()
    with connect(None, api_url) as client:
        pages = client.metrics.get_dimension_data(
            start or today - timedelta(days=_DAYS), end or today, company_id=company, dimension_id=dimension
        )
        rows = [row for page in pages for row in page]
    columns = ["dimensionId", "time", "value", "model", "parentId", "companyName"]
    columns += dict.fromkeys(key for row in rows for key in row if key not in columns and key != "_id")
    write(rows, columns, Format.json if as_json else form)
    say(f"{len(rows):,} values.")


def _rows(file: str) -> Iterator[dict[str, Any]]:
    """The rows of a file without their empty cells: keys as text, `value` as a number."""
    table = sources.read(file)
    for number, row in enumerate(table.rows):
        cells = {name: cell for name, cell in row.items() if not is_empty(cell)}
        for name in cells.keys() & {"dimensionId", "externalId"}:
            cells[name] = key_text(cells[name])
        if isinstance(cells.get("value"), str):
            cells["value"] = _value(cells["value"], f"{Path(file).name}, {table.label(number)}")
        yield cells


def _value(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValidationError(f"{where}: the value is no number.") from None
