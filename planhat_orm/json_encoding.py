"""Writing JSON: `encode` for what people handed over, `rewrite` for what came out of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec

from .errors import ValidationError

rewrite = msgspec.json.Encoder(order="sorted").encode
"""JSON with the keys of objects in order, of what was read from JSON: nothing else may go in, as nothing is checked."""


def encode(value: Any, *, in_order: bool = False) -> bytes:
    """Write JSON; `ValidationError` for a value that has no JSON form, NaN and infinity among them.

    `in_order` sorts the keys of objects, so that equal values are written alike.
    """
    try:
        if not _is_finite(value):
            # msgspec writes them as null, which would clear the field.
            raise ValidationError("This cannot be sent as JSON: it holds a number that is not finite (nan or inf).")
        return rewrite(value) if in_order else msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.EncodeError) as wrong:
        if isinstance(wrong, ValidationError):
            raise
        raise ValidationError(f"This cannot be sent as JSON: {wrong}.") from None


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, (list, tuple, set, frozenset)) or all(map(_is_finite, value))
