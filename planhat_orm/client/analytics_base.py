"""What metrics and activities have in common: rows for the analytics host, whose verbs are its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Any

from .. import arguments
from ..errors import BulkError, FieldError
from ..fields.gate import json_rows
from ..tabular.frame_rows import as_rows
from ..wire import analytics
from ..wire.resources import Resource


class AnalyticsEndpoint:
    """A resource with verbs of its own; those that all others have say what to use instead."""

    _instead: Mapping[str, str] = {}
    _resource: Resource

    def __getattr__(self, name: str) -> Any:
        operation = name.removeprefix("a") if name.removeprefix("a") in self._instead else name
        if operation not in self._instead:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise FieldError(f"planhat.{self._resource.attribute}.{name}() does not exist: {self._instead[operation]}.")


def check_flags(**flags: object) -> None:
    """Raise `ValidationError` for an option that is neither True nor False."""
    for name, value in flags.items():
        arguments.flag(name, value)


def raise_for(answer: analytics.Received, wanted: bool, what: str) -> None:
    """Raise `BulkError` where it is wanted and the server named rows as bad."""
    if wanted and answer.get("errors"):
        raise BulkError(f"The server named {len(answer['errors'])} {what} as bad.", result=answer)


def checked(
    kind: Resource, rows: Iterable[Mapping[str, Any]], zone: tzinfo, *, strict: bool = False
) -> Iterator[Mapping[str, Any]]:
    """Rows as the API wants them: with what it needs, or a word in the log, and with JSON's values only."""
    is_many = isinstance(rows, Iterable) and not isinstance(rows, (str, bytes))
    return analytics.check_rows(kind, json_rows(rows, zone) if is_many else rows, strict=strict)


def recorded(kind: Resource, data: Any, zone: tzinfo) -> Iterator[Mapping[str, Any]]:
    """Rows that are to wait, one or many, or a frame's. Raises `ValidationError` for one the server would ignore."""
    data = as_rows(data)
    return checked(kind, [data] if isinstance(data, Mapping) else data, zone, strict=True)
