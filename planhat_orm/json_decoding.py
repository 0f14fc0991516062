"""JSON read from anywhere: a server, a file, a cell. Whatever is wrong with it is one kind of error."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_BOM = b"\xef\xbb\xbf"
_ESCAPE = re.compile(rb"\\(?:u(?P<code>[0-9A-Fa-f]{4})|.)", re.DOTALL)
_REPLACEMENT = rb"\uFFFD"
"""With capitals, which no writer of JSON takes of itself: so it can be told from a U+FFFD that came."""


def decode(body: bytes | str) -> Any:
    """Read JSON; `msgspec.DecodeError` for what is none, or is nested too deeply to be read."""
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None
    except UnicodeDecodeError:
        # As newer versions of msgspec say it; the error itself holds the whole text.
        raise msgspec.DecodeError("JSON is not UTF-8") from None


def split_items(body: bytes) -> Any:
    """The elements of an array as JSON, checked as if they were read; anything else is read."""
    try:
        found = msgspec.json.decode(body, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        return decode(body)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None
    if not body.isascii():
        for element in found:
            str(element, "utf-8")
    return found


def repair(body: bytes) -> bytes | None:
    r"""JSON without what some writers leave in it, or None where there is none of that.

    A byte order mark goes. Half of a surrogate pair, as JavaScript writes where it cut a text in the middle of an
    emoji (`"\ud83d"`), becomes U+FFFD: one such text must not make a list unreadable.
    """
    whole = body.removeprefix(_BOM)
    if b"\\ud" in whole or b"\\uD" in whole:
        whole = _without_halves(whole)
    return None if whole == body else whole


def has_replaced(body: bytes) -> bool:
    """Whether JSON holds what `repair` writes for half of a character."""
    return _REPLACEMENT in body


def has_more_replaced(before: bytes, after: bytes) -> bool:
    """Whether `repair` replaced half of a character."""
    return after.count(_REPLACEMENT) > before.count(_REPLACEMENT)


def _without_halves(body: bytes) -> bytes:
    parts: list[bytes] = []
    end = 0
    high: re.Match[bytes] | None = None  # the first half of what may be a pair
    for escape in _ESCAPE.finditer(body):
        code = int(escape["code"], 16) if escape["code"] else 0
        low = 0xDC00 <= code < 0xE000
        if high is not None:
            paired = low and high.end() == escape.start()
            parts += [body[end : high.start()], high[0] + escape[0] if paired else _REPLACEMENT]
            end = escape.end() if paired else high.end()
            high = None
            if paired:
                continue
        if low:
            parts += [body[end : escape.start()], _REPLACEMENT]
            end = escape.end()
        elif 0xD800 <= code < 0xDC00:
            high = escape
    if high is not None:
        parts += [body[end : high.start()], _REPLACEMENT]
        end = high.end()
    return b"".join([*parts, body[end:]])
