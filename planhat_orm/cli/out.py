"""What a command prints: tables for people, CSV and JSON for programs.

Results go to stdout, everything said about them to stderr, so that output can be piped. What records hold is
shown as text: neither as markup nor, should it hold control characters, as commands to the terminal.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from math import isfinite
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console

from .. import extras
from ..errors import ConfigurationError
from ..query.kinds import iso
from ..tabular.cells import guard
from .tables import lines

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON value on standard output, for programs.")]

_WIDE = 1000
_USUAL = 80
_LINES = 25
_CELL = 60


class Format(StrEnum):
    """How rows are written."""

    table = "table"
    json = "json"
    csv = "csv"
    jsonl = "jsonl"
    markdown = "md"
    parquet = "parquet"


FormatOption = Annotated[
    Format,
    typer.Option("--format", metavar="FORMAT", help="table, json, csv, jsonl, md or parquet.", show_default=False),
]


def width() -> int | None:
    """The columns of the terminal that shows the output; None where it goes into a file or a pipe."""
    return _columns(sys.stdout) if sys.stdout.isatty() else None


def _columns(stream: TextIO) -> int:
    """As the terminal says, which Rich does not ask when it is a dumb one."""
    asked = os.environ.get("COLUMNS", "")
    try:
        return int(asked) if asked.isdecimal() else os.get_terminal_size(stream.fileno()).columns or _USUAL
    except (OSError, ValueError):
        return _USUAL


def console(*, stderr: bool = False) -> Console:
    """A console that shows text as it is. Where nobody looks at it, lines are as long as they need."""
    columns = (_columns(sys.stderr) if sys.stderr.isatty() else _WIDE) if stderr else width() or _WIDE
    # Without a height, Rich takes a dumb terminal for one of 80 columns, whatever is said.
    height = _LINES if os.environ.get("TERM", "").lower() in ("dumb", "unknown") else None
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=columns, height=height)


def say(text: str) -> None:
    """Tell something about a result, on stderr."""
    console(stderr=True).print(text, style="dim")


def table(
    head: Sequence[str], rows: Iterable[Sequence[Any]], *, to: Console | None = None, whole: bool = False
) -> None:
    """Print a table. Columns of numbers are set to the right; long values are cut unless `whole`.

    Columns that do not fit the terminal become one record a block, and a line on stderr says so.
    """
    body = [list(row) for row in rows]
    numeric = [_is_numeric([row[number] for row in body if row[number] is not None]) for number in range(len(head))]
    room = width()
    written, as_blocks = lines(head, [[cell(value, whole) for value in row] for row in body], numeric, room)
    (sys.stdout if to is None else to.file).write("\n".join(written) + "\n")
    if as_blocks:
        say(
            f"{len(head)} columns do not fit {room} characters, so each record is a block. --json has them as they are."
        )


def _is_numeric(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def cell(value: Any, whole: bool = False) -> str:
    """A value as a table shows it, cut unless `whole`."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case int():
            text = f"{value:,}"
        case float():
            text = f"{value:,.2f}"
        case datetime():
            text = f"{value:%Y-%m-%d}" if value.time() == value.time().min else f"{value:%Y-%m-%d %H:%M}"
        case list() if all(isinstance(element, str) for element in value):
            text = ", ".join(value)
        case list() | dict():
            text = _json(value)
        case _:
            text = str(value)
    text = "".join(letter if letter.isprintable() else " " if letter.isspace() else "�" for letter in text)
    return text if whole or len(text) <= _CELL else text[: _CELL - 1] + "…"


def dump(value: object) -> None:
    """Print one JSON value, for programs."""
    print(_seen(_json(value, indent=2)))


def _json(value: object, indent: int | None = None) -> str:
    """A value as JSON, which has no infinity, as a statement in SQL may: it is null, as JavaScript writes it."""
    try:
        return json.dumps(value, default=plain, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), default=plain, ensure_ascii=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def plain(value: Any) -> Any:
    """A value as JSON and CSV have it: moments and days as ISO text."""
    if isinstance(value, datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def write(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], form: Format, plain_numbers: Collection[str] = ()
) -> None:
    """Print rows in a format; `names` are the columns, and `plain_numbers` those where a table groups no digits."""
    if plain_numbers and form in (Format.table, Format.markdown):
        rows = [{**row, **{name: str(row[name]) for name in plain_numbers if row[name] is not None}} for row in rows]
    match form:
        case Format.table:
            table(names, ([row.get(name) for name in names] for row in rows))
        case Format.json:
            dump(list(rows))
        case Format.jsonl:
            for row in rows:
                print(_seen(_json(row)))
        case Format.csv:
            writer = csv.writer(_Shown(), lineterminator="\n")
            writer.writerow(map(guard, names))
            writer.writerows([_csv(row.get(name)) for name in names] for row in rows)
        case Format.markdown:
            _markdown(names, rows)
        case Format.parquet:
            _parquet(names, rows)


class _Shown:
    """Standard output, where a terminal gets text and no commands."""

    def write(self, text: str) -> None:
        sys.stdout.write(_seen(text))


def _seen(text: str) -> str:
    """Text for a terminal: what would move its cursor or turn its letters around is shown as an escape.

    Programs that read the output get it as it is.
    """
    if not sys.stdout.isatty():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _markdown(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    lines = [names, ["---"] * len(names), *([cell(row.get(name), whole=True) for name in names] for row in rows)]
    for line in lines:
        print("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |")


def _parquet(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    if sys.stdout.isatty():
        raise ConfigurationError("Parquet is no text: send it to a file, as in --format parquet > companies.parquet.")
    pyarrow = extras.load("pyarrow", extra="frames", need="Parquet needs")
    parquet = extras.load("pyarrow.parquet", extra="frames", need="Parquet needs")
    columns = {name: _arrow(pyarrow, [row.get(name) for row in rows]) for name in names}
    parquet.write_table(pyarrow.table(columns), pyarrow.PythonFile(sys.stdout.buffer, mode="w"))


def _arrow(pyarrow: Any, values: Sequence[Any]) -> Any:
    """A column: of the type that all its values have, lists of text among them, else of text, with JSON in it."""
    if not any(isinstance(value, dict) or (isinstance(value, list) and not _are_texts(value)) for value in values):
        try:
            return pyarrow.array(values)
        except (pyarrow.ArrowException, OverflowError):
            pass  # they are of several types, or a number is beyond those of Arrow
    return pyarrow.array([None if value is None else _text(value) for value in values], pyarrow.string())


def _are_texts(value: list[Any]) -> bool:
    return all(isinstance(item, str) for item in value)


def _text(value: Any) -> str:
    return str(plain(value)) if isinstance(value, (str, bytes, date)) else _json(value)


def _csv(value: Any) -> Any:
    """A value as a cell, which no spreadsheet runs."""
    if isinstance(value, str):
        return guard(value)
    if isinstance(value, (list, dict)):
        return _json(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, (int, float)) else plain(value)
