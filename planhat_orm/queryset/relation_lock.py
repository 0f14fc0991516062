"""Of threads that need what one load brings for all records of a list, one loads, and the others wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .. import forks
from ..scopes.tasks import in_a_task
from .shared_pages import SharedPages, failure_for_others, is_called_by

if TYPE_CHECKING:
    from ..models.state import Origin

_making = forks.Lock()


class RelationLock:
    """Held to load relations of the records of an origin: `with own.lock, own.loading(name, known)`."""

    __slots__ = ("failures", "lock")

    def __init__(self) -> None:
        self.lock = forks.Lock()
        self.failures: dict[str, Exception] = {}
        """What the last load of each relation met that failed."""

    @contextmanager
    def loading(self, name: str, known: Exception | None) -> Iterator[None]:
        """Note what the load of a relation meets, and raise what that one met that was waited for: so would this one.

        `known` is the failure of this relation that was known before the wait.
        """
        met = self.failures.get(name)
        if met is not None and met is not known:
            raise failure_for_others(met)
        try:
            yield
        except Exception as failure:
            self.failures[name] = failure_for_others(failure)
            raise
        # Who still waits since the one that failed finds what this one brought.
        self.failures.pop(name, None)


def relation_lock(origin: Origin, pages: SharedPages | None = None) -> RelationLock:
    """The lock of the records of an origin, or a new one for whoever must not wait.

    `pages` are those that the load is a part of, if any. What other fetching calls does not wait, as others may wait
    for that; nor does a task, which would keep the one that it waits for from going on.
    """
    if not is_called_by(pages) or in_a_task():
        return RelationLock()
    with _making:
        if origin.relation_lock is None:
            origin.relation_lock = RelationLock()
        found: RelationLock = origin.relation_lock
        return found
