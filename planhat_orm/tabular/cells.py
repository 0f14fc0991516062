"""Cells: how an export writes a value, and what the cell of a person's table is a value of."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from msgspec import Struct

from ..fields import gate
from ..fields.scalars import Refused, described, digits, is_missing
from ..json_encoding import rewrite
from ..query.kinds import EXACT, NUMBER, Kind, iso

Dates = Callable[[str], date]
"""How the text of a column is read as days or moments."""

_RUN = frozenset("=+-@")
_PARTED = ("\t", "\r", "\n")
_VISIBLE = re.compile(r"[^\s\0\u200b-\u200f\u2060\ufeff]")
_MARK = "'"
_TRUE, _FALSE = ("true", "yes", "y", "1", "x"), ("false", "no", "n", "0")


# --- writing --------------------------------------------------------------------------------------------


def plain_text(value: Any) -> str:
    """A typed value as text: as Planhat spells it, lists as JSON, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return rewrite(value).decode() if isinstance(value, list) else str(value)


def guard(text: str) -> str:
    """Text as a cell that no spreadsheet runs: with an apostrophe before it, where it needs one."""
    return f"{_MARK}{text}" if _needs_mark(text) else text


def unguard(cell: str) -> str:
    """The text of a cell that `guard` wrote, or anybody else."""
    return cell[1:] if cell[:1] == _MARK and _needs_mark(cell[1:]) else cell


def _needs_mark(text: str) -> bool:
    """Whether a spreadsheet would run text as a formula, take it for several cells, or the mark for its own.

    What it does not show is skipped on the way to the first letter, and wide or small letters are those that they stand
    for (U+FF1D is `=`), as spreadsheets and what cleans cells for them do.
    """
    if text[:1].isalnum():
        return False
    if text.startswith((_MARK, *_PARTED)):
        return True
    first = _VISIBLE.search(text)
    return first is not None and unicodedata.normalize("NFKC", first[0])[:1] in _RUN


def write_cell(value: Any) -> str:
    """A typed value as the cell of a CSV file."""
    return guard(plain_text(value)) if isinstance(value, str) else plain_text(value)


# --- reading --------------------------------------------------------------------------------------------


class Unreadable(Struct, frozen=True):
    """What stands for a cell without a value to read, such as the error of a formula: it is refused where it counts."""

    what: str


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT, `pd.NA`, an empty text, or blanks."""
    return not cell.strip() if isinstance(cell, str) else is_missing(cell)


def read_cell(kind: Kind, cell: Any, zone: tzinfo, dates: Dates | None = None) -> Any:
    """A cell that is not empty as a value of a kind; `Refused` (a ValueError) saying what it should be.

    `dates` is how its column is read; without it text is a day or a moment in ISO 8601 only.
    """
    if isinstance(cell, str):
        cell = _READERS[kind.name](cell) if kind.name in _READERS else cell
        if kind.name in ("datetime", "day") and dates is not None:
            cell = dates(cell)
    elif kind.name in ("text", "id", "ref"):
        cell = key_text(cell)
    return gate.admit(kind, cell, zone)


def key_text(cell: Any) -> Any:
    """A key as text: a spreadsheet and a column with gaps make numbers of ids, and floats of whole numbers.

    A float beyond what doubles tell apart stays one, so that it is refused: its digits are not those that were meant.
    """
    return digits(int(cell) if isinstance(cell, float) and cell.is_integer() and abs(cell) < EXACT else cell)


def _number(text: str) -> Any:
    value = NUMBER.load(text.strip())
    if isinstance(value, str):
        raise Refused("a number such as 1234.5", described(text))
    return value


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise Refused("true or false", described(text))
    return word in _TRUE


def _list(text: str) -> Any:
    if text.lstrip().startswith("["):
        value = _json(text)
        if isinstance(value, list):
            return value
    return [part.strip() for part in text.split(";") if part.strip()]


def _object(text: str) -> Any:
    value = _json(text)
    if not isinstance(value, dict):
        raise Refused("an object in JSON", described(text))
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "list": _list,
    "refs": _list,
    "object": _object,
    "id": str.strip,
    "ref": str.strip,
}
"""By the name of a kind: what the text of a cell is."""
