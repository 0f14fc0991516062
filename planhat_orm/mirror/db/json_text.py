"""JSON as text inside SQL: operands, and the paths by which SQLite reaches into a JSON column."""

from __future__ import annotations

import re
from typing import Any

from ...json_encoding import encode

_SAFE_LABEL = re.compile(r'[^"\\\x00-\x1f]+').fullmatch


def json_text(value: Any) -> str:
    """A value as the JSON that columns of JSON text and our SQL functions take."""
    return encode(value, in_order=True).decode()


def path(keys: tuple[str, ...]) -> str | None:
    """The JSON path of some keys, or None when SQLite has no way to write it."""
    return "$" + "".join(f'."{key}"' for key in keys) if all(map(_SAFE_LABEL, keys)) else None
