"""An opt-in cache of small tables, such as users: a whole list, kept for so many seconds.

A cached resource is read as one full list and every query on it is answered from there. Own writes drop it,
whether their answer came or not; `.fresh()` reads past it. It is shared by the threads and tasks of one
client. Everything larger belongs in the mirror, which is a cache with a schema and a date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import forks
from ..errors import ConfigurationError
from ..names import quoted
from ..wire import paths

if TYPE_CHECKING:
    from cachetools import TTLCache

    from ..models.base import Model


class ListCache:
    """Full lists by resource name, each with its own time to live."""

    def __init__(self, seconds: Mapping[type[Model], float] | None, now: Callable[[], float]) -> None:
        self._lock = forks.Lock()
        self._lists: dict[str, TTLCache[str, list[dict[str, Any]]]] = {}
        self._writes: dict[str, int] = {}
        self._names: dict[str, list[str]] = {}
        for model, ttl in (seconds or {}).items():
            name = model._meta.resource.name if hasattr(model, "_meta") else None
            if name is None:
                raise ConfigurationError(
                    f"cache takes model classes and seconds, as in cache={{User: 3600}}: {quoted(model)}."
                )
            if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or ttl <= 0:
                raise ConfigurationError(
                    f"cache[{model.__name__}] must be a positive number of seconds, not {quoted(ttl)}."
                )
            from cachetools import TTLCache  # few cache anything

            self._lists[name] = TTLCache(1, ttl, timer=now)
            self._writes[name] = 0
            self._names.setdefault(paths.collection(model._meta.resource), []).append(name)

    def covers(self, resource: str) -> bool:
        """Whether lists of this resource are cached."""
        return resource in self._lists

    def get(self, resource: str) -> list[dict[str, Any]] | None:
        """The cached list, unless it is too old."""
        with self._lock:
            return self._lists[resource].get("rows")

    def writes(self, resource: str) -> int:
        """How often a record of the resource was written; to be asked before a list is read."""
        with self._lock:
            return self._writes[resource]

    def put(self, resource: str, rows: list[dict[str, Any]], writes: int) -> None:
        """Keep a list that was read when there had been so many writes, unless there were more meanwhile."""
        with self._lock:
            if self._writes[resource] == writes:
                self._lists[resource]["rows"] = rows

    def wrote(self, path: str) -> None:
        """Forget the lists of a path that a write went to, or came back from."""
        for name in self._names.get("/" + path.split("/")[1], ()):
            with self._lock:
                self._writes[name] += 1
                self._lists[name].clear()
