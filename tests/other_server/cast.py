"""Values as a Mongoose schema takes them: cast where that works, refused with a message that quotes them where not."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.other_server.clock import iso, moment

NAMES = {
    "o": "ObjectId",
    "d": "date",
    "y": "Number",
    "s": "string",
    "n": "Number",
    "i": "Number",
    "b": "Boolean",
    "j": "Object",
}
HEX24 = re.compile(r"[0-9a-fA-F]{24}")
YES, NO = (True, 1, "true", "1", "yes"), (False, 0, "false", "0", "no")


class Refused(Exception):
    """The server does not take something; `key_value` names the key that is taken already."""

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        key_value: dict[str, Any] | None = None,
        path: str = "",
        value: Any = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.key_value, self.path, self.value = message, status, key_value, path, value


def cast(kind: str, value: Any, path: str) -> Any:
    """Cast a value to a field's type (letters as in fields.py)."""
    if value is None:
        return None
    if kind.startswith("a"):
        return [cast(kind[1:], item, path) for item in (value if isinstance(value, list) else [value])]
    try:
        return _CASTS[kind](value)
    except (ValueError, TypeError, OverflowError):
        raise _refusal(kind, value, path) from None


def _refusal(kind: str, value: Any, path: str) -> Refused:
    shown = value if isinstance(value, str) else json.dumps(value)
    types = {str: "string", bool: "boolean", int: "number", float: "number", list: "Array", dict: "Object"}
    text = f'Cast to {NAMES[kind]} failed for value "{shown}" (type {types[type(value)]}) at path "{path}"'
    return Refused(text, path=path, value=value)


def _object_id(value: Any) -> str:
    if not isinstance(value, str) or not HEX24.fullmatch(value):
        raise ValueError
    return value.lower()


def _date(value: Any) -> str | None:
    if value == "":
        return None
    seconds = moment(value) if isinstance(value, str) else float(value) / 1000
    if seconds is None or isinstance(value, bool):
        raise ValueError
    return iso(seconds)


def _number(value: Any) -> float | int | None:
    if value == "":
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"-?\d+", value.strip()) else float(value)
    if not isinstance(value, int | float):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if isinstance(value, list | dict):
        raise TypeError
    return value if isinstance(value, str) else json.dumps(value)


def _boolean(value: Any) -> bool | None:
    if isinstance(value, list | dict) or value not in (*YES, *NO):
        raise ValueError
    return value in YES


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


_CASTS = {
    "o": _object_id,
    "d": _date,
    "y": _number,
    "s": _text,
    "n": _number,
    "i": _number,
    "b": _boolean,
    "j": _object,
}
