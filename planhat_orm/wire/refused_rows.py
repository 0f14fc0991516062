"""Which rows of a body the analytics host refused, as far as its errors tell: their shape is described nowhere.

An error names a row by its place, by its own keys and values, or not at all (docs/reference/planhat-api.md section 11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

Row = Mapping[str, Any]


class Refused(Struct):
    """The refused rows by their place, with the server's word; `doubtful` are those that may be refused as well."""

    errors: dict[int, str] = {}
    doubtful: dict[int, str] = {}


def refused_rows(rows: Sequence[Row], answer: Mapping[str, Any]) -> Refused:
    """Read the errors of an answer to `rows`. As many errors as there are rows without one speak of them all."""
    refused = Refused()
    errors = answer.get("errors")
    unclear = []
    for error in errors if isinstance(errors, list) else []:
        places = _places(rows, error)
        if len(places) == 1:
            refused.errors[places[0]] = _reason(error)
        else:
            unclear.append((error, places))
    for error, places in unclear:
        left = [place for place in places or range(len(rows)) if place not in refused.errors]
        whole = sum(not other or set(other) & set(left) != set() for _, other in unclear) >= len(left)
        (refused.errors if whole else refused.doubtful).update(dict.fromkeys(left, _reason(error)))
    refused.doubtful = {place: error for place, error in refused.doubtful.items() if place not in refused.errors}
    return refused


def _places(rows: Sequence[Row], error: Any) -> list[int]:
    """The places of the rows that an error may speak of; none where it does not say."""
    if not isinstance(error, Mapping):
        return []
    index = error.get("index")
    if isinstance(index, int) and not isinstance(index, bool):
        return [index] if 0 <= index < len(rows) else []
    told = next((item for item in error.values() if isinstance(item, Mapping)), error)
    return [place for place, row in enumerate(rows) if _fits(row, told)]


_WORDS = ("message", "error", "code", "name", "reason", "status")
"""What an error says in its own words, and not in those of a row."""


def _fits(row: Row, told: Row) -> bool:
    """Whether what an error tells of a row holds for this one; it tells something of it."""
    keys = [name for name in told if name in row and name not in _WORDS]
    return bool(keys) and all(row[name] == told[name] or str(row[name]) == str(told[name]) for name in keys)


def _reason(error: Any) -> str:
    if isinstance(error, Mapping):
        error = next((error[name] for name in ("message", "error", "reason") if error.get(name)), "no reason was given")
    return str(error)
