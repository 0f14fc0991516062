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
    """Held to load relations of the records of an origin: `with own.lock, own.loading(known)`."""

    __slots__ = ("failure", "lock")

    def __init__(self) -> None:
        self.lock = forks.Lock()
        self.failure: Exception | None = None
        """What the last load met that failed."""

    @contextmanager
    def loading(self, known: Exception | None) -> Iterator[None]:
        """Note what a load meets, and raise what the one met that was waited for: this one would meet it, too.

        `known` is the failure that was known before the wait.
        """
        if self.failure is not None and self.failure is not known:
            raise failure_for_others(self.failure)
        try:
            yield
        except Exception as failure:
            self.failure = failure_for_others(failure)
            raise


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
