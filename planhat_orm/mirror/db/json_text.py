"""JSON as text inside SQL: cells, operands, and the paths by which SQLite reaches into a JSON column."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ... import json_decoding
from ...errors import MirrorError
from ...json_encoding import encode

_SAFE_LABEL = re.compile(r'[^"\\\x00-\x1f]+').fullmatch


def json_text(value: Any) -> str:
    """A value as the JSON that columns of JSON text and our SQL functions take."""
    return encode(value, in_order=True).decode()


def key_text(key: str) -> str:
    """How a key stands in the text of a JSON object."""
    return f"{json_text(key)}:"


def read_cell(text: str | bytes) -> Any:
    """The value of a cell that holds JSON; `MirrorError` where somebody else has put something else into it."""
    try:
        return json_decoding.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise unreadable(wrong) from None


def unreadable(wrong: BaseException) -> MirrorError:
    """What to say of a cell that cannot be read."""
    return MirrorError(
        f'A cell of the mirror holds JSON that cannot be read ({wrong}): "planhat doctor" looks at them all.'
    )


def path(keys: tuple[str, ...]) -> str | None:
    """The JSON path of some keys, or None when SQLite has no way to write it."""
    return "$" + "".join(f'."{key}"' for key in keys) if all(map(_SAFE_LABEL, keys)) else None
