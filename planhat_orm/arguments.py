"""Arguments at the door: each kind has one check, which says what is taken and what came instead.

Values of fields have a gate of their own (`fields.gate`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

from .errors import ConfigurationError, FieldError, ValidationError
from .names import did_you_mean

T = TypeVar("T")

_LONGEST_PATH = 4096


def _kind(value: object) -> str:
    if value is None:
        return "None"
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def name(value: object, what: str = "A field's name") -> str:
    """A name, which is text; `FieldError` for anything else, and for half a character."""
    if not isinstance(value, str):
        raise FieldError(f"{what} is text, not {_kind(value)}.")
    if not _is_whole(value):
        raise FieldError(f"{what} is text of whole characters, not a lone surrogate.")
    return value


def text(what: str, value: object) -> str:
    """Text; `ValidationError` for anything else, and for half a character."""
    if not isinstance(value, str):
        raise ValidationError(f"{what} takes text (str), not {_kind(value)}.")
    if not _is_whole(value):
        raise ValidationError(f"{what} takes text of whole characters, not a lone surrogate.")
    return value


def _is_whole(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def many(what: str, value: Iterable[T]) -> Iterable[T]:
    """What can be iterated, and is neither text nor a dict; `ValidationError` for anything else."""
    if isinstance(value, (str, bytes, type, Mapping)) or not hasattr(value, "__iter__"):
        raise ValidationError(f"{what} takes a list or another iterable, not {_kind(value)}.")
    return value


def whole(what: str, value: object, least: int, most: int | None = None) -> int:
    """A whole number between two others; `ValidationError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError(f"{what} must be a whole number, not {_kind(value)}.")
    if value < least or (most is not None and value > most):
        bounds = f"from {least} on" if most is None else f"from {least} to {most}"
        shown = value if abs(value) < 10**20 else "one beyond reason"
        raise ValidationError(f"{what} must be a whole number {bounds}, not {shown}.")
    return value


def number(what: str, value: object, least: float) -> float:
    """A number, True and False among them; `ValidationError` for anything else."""
    if not isinstance(value, (int, float)) or not least <= value:
        raise ValidationError(f"{what} must be a number from {least} on, not {_kind(value)}.")
    return float(value)


def flag(what: str, value: object) -> bool:
    """True or False; `ValidationError` for anything else."""
    if not isinstance(value, bool):
        raise ValidationError(f"{what} must be True or False, not {_kind(value)}.")
    return value


def mapping(what: str, value: Mapping[str, T]) -> Mapping[str, T]:
    """A dict with text as keys; `ValidationError` for anything else."""
    if not isinstance(value, Mapping):
        raise ValidationError(f"{what} takes a dict, not {_kind(value)}.")
    for key in value:
        name(key, f"A key of {what}")
    return value


def path(what: str, value: object) -> Path:
    """A path of a file; `ConfigurationError` for what is none, or cannot be one on any system."""
    if not isinstance(value, (str, os.PathLike)):
        raise ConfigurationError(f"{what} takes a path, not {_kind(value)}.")
    found = os.fspath(value)
    if not isinstance(found, str) or not found or len(found) > _LONGEST_PATH or "\0" in found:
        raise ConfigurationError(f"{what} takes a path of a file: text of 1 to {_LONGEST_PATH} characters without NUL.")
    try:
        os.fsencode(found)
    except UnicodeEncodeError:
        raise ConfigurationError(f"{what} takes a path of whole characters, not a lone surrogate.") from None
    return Path(found)


def choice(what: str, value: Any, choices: Collection[str]) -> str:
    """One of some words; `FieldError` with the nearest for anything else."""
    if not isinstance(value, str):
        raise FieldError(f"{what} is one of {', '.join(choices)}, not {_kind(value)}.")
    if value not in choices:
        raise FieldError(f"{what} is not {value[:100]!r}.{did_you_mean(value, choices)}")
    return value


def day(what: str, value: object) -> date | datetime:
    """A date or a datetime; `ValidationError` for anything else."""
    if not isinstance(value, date):
        raise ValidationError(f"{what} takes a date or a datetime, not {_kind(value)}.")
    return value


def model(what: str, value: Any) -> Any:
    """A model class; `FieldError` for anything else."""
    if not isinstance(value, type) or not hasattr(value, "_meta"):
        raise FieldError(f"{what} takes a model such as Company, not {_kind(value)}.")
    return value


def record(what: str, value: Any) -> Any:
    """A record; `ValidationError` for anything else."""
    if isinstance(value, type) or not hasattr(value, "_came"):
        raise ValidationError(f"{what} takes a record, not {_kind(value)}.")
    return value


def client(what: str, value: Any) -> Any:
    """A client; `ConfigurationError` for anything else."""
    if isinstance(value, type) or not hasattr(type(value), "account") or not hasattr(type(value), "writer"):
        raise ConfigurationError(f"{what} takes a Planhat, not {_kind(value)}.")
    return value


def function(what: str, value: Any) -> Any:
    """Something to call; `ConfigurationError` for anything else."""
    if not callable(value):
        raise ConfigurationError(f"{what} takes a function, not {_kind(value)}.")
    return value
