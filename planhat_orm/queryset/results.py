"""Results: fetched page by page, as far as they are read, and kept.

`for x in rows: break`, `bool(rows)` and `rows[0]` stop early and keep what came; the next loop goes on
from there. Threads share the pages; each task reads all of them for itself, and the first to end keeps them.
Displaying a result never fetches anything.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import forks
from ..errors import FieldError, PlanhatError, WhichClient
from ..names import did_you_mean
from ..scopes import clients
from .shared_pages import SharedPages

if TYPE_CHECKING:
    from ..http.effects import Flow
    from ..query.query import Query
    from ..query.tree import Target
    from ..runtime import Client
    from ..wire.resources import Resource

T = TypeVar("T", covariant=True)

_SQL = "planhat.mirror.sql('select ...') for SQL of your own"
_INSTEAD = {
    "alias": "annotate()", "raw": _SQL, "datetimes": "dates(), or group_by(Trunc(...))",
    "annotate": "group_by(...).annotate(...) for figures of groups, and annotate() before values()",
    "extra": f"annotate() and filter() with F(), or {_SQL}",
    "complex_filter": "filter(Q(...))", "select_for_update": "save(on_conflict='raise')", "stddev": _SQL,
    "contains": "filter(id=record.id).exists()",
}  # fmt: skip
"""What Django's querysets have and these do not, and what does the same here."""


def _public(results: type) -> list[str]:
    return [name for name in dir(results) if not name.startswith("_")]


_keeping = forks.Lock()
"""Held to say which rows some results have; never while they are fetched."""


class Results(Generic[T]):
    """A lazy sequence of what a query finds."""

    __slots__ = ("_bound", "_complete", "_rows", "_shared")

    def __init__(self) -> None:
        self._rows: list[Any] = []
        self._complete = False
        self._shared: SharedPages | None = None
        self._bound: Client | None = None
        """The client that the rows came from, where only fetching them settled which."""

    if not TYPE_CHECKING:
        # A type checker that knew of it would let any name be read.

        def __getattr__(self, name: str) -> Any:
            instead = _INSTEAD.get(name)
            hint = f" Use {instead}." if instead is not None else did_you_mean(name, _public(type(self)))
            hint = "" if name.startswith("_") else hint
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}.{hint}", name=name, obj=self
            )

    # What the subclasses say.

    def _using(self) -> Client:
        raise AssertionError("a subclass says which client")

    def _chosen_client(self) -> Client | None:
        """The client that was chosen when this was made, if one was."""
        raise AssertionError("a subclass says whether one was")

    def _check_bound(self) -> None:
        """Raise `WhichClient` where the code around chose another account than the rows that are kept came from."""
        around = clients.chosen()
        if self._bound is not None and around is not None and around.account != self._bound.account:
            raise WhichClient(
                f"{self!r} was read from the account {self._bound.account} and is asked inside a scope of "
                f"{around.account}: .all() of the queryset is a fresh copy that reads from there."
            )

    def _pages(self) -> Flow[None]:
        raise AssertionError("a subclass emits lists of results")

    def _as_values(self, shown: str) -> tuple[Query, Target, Resource | None]:
        raise FieldError(f"{shown}__in takes a queryset, or values_list(name, flat=True) of one.")

    def _before_fetch(self) -> None:
        """Called once before the first page is asked for."""

    # Reading, in threads.

    def __iter__(self) -> Iterator[T]:
        self._check_bound()
        if self._complete:
            yield from self._rows
            return
        shared = self._joined()
        place = 0
        while True:
            page = shared.rows[place:]
            place += len(page)
            yield from page
            if not self._reach(shared, place):
                return

    def _joined(self) -> SharedPages:
        """The pages that are being read, or new ones. A forked child starts over."""
        with _keeping:
            if self._complete:
                return SharedPages(self._rows)
            if self._shared is None or self._shared.pid != os.getpid():
                self._shared = SharedPages()
                self._rows = self._shared.rows
            return self._shared

    def _reach(self, shared: SharedPages, count: int) -> bool:
        """Whether there are more rows than `count`, fetching a page where that takes one."""
        try:
            more = shared.reach(count, self._begin)
        except BaseException:
            if shared.is_broken:  # what came is not the whole: forget it, so that the next reading starts over
                self._forget(shared)
            raise
        if not count:
            self._check_bound()  # another thread may have settled the client meanwhile
        if shared.complete:
            self._keep(shared.rows, self._bound)
        return more

    def _begin(self) -> Generator[Any, None, Any]:
        self._before_fetch()
        client = self._using()
        with _keeping:
            self._bind(client)
        return client.iterate(self._pages())

    def _bind(self, client: Client | None) -> None:
        """Note the client that rows which are kept come from: it stays the one of these results."""
        if self._chosen_client() is None:
            self._bound = self._bound or client

    def _keep(self, rows: list[Any], client: Client | None) -> None:
        """Keep the rows of whoever comes to the end first."""
        with _keeping:
            account = client.account if client is not None else None
            if not self._complete and (self._bound is None or self._bound.account == account):
                self._bind(client)
                self._rows, self._complete, self._shared = rows, True, None

    def _forget(self, shared: SharedPages) -> None:
        with _keeping:
            if self._shared is shared and not self._complete:
                self._rows, self._shared = [], None

    def _at(self, place: int) -> Any:
        """One result, fetching pages up to it."""
        self._check_bound()
        if not isinstance(place, int):
            raise TypeError(f"Results are taken by number or slice, not by {type(place).__name__}.")
        if place < 0:
            raise FieldError("Counting from the end is not possible: use order_by('-...').first(), or last().")
        rows = self._fetched(place + 1)
        if len(rows) <= place:
            raise IndexError(f"There is nothing at {place}: there are {len(rows)}.")
        return rows[place]

    def _fetched(self, count: float) -> list[Any]:
        """The rows, at least so many of them, or all there are."""
        self._check_bound()
        if self._complete:
            return self._rows
        shared = self._joined()
        while len(shared.rows) < count and self._reach(shared, len(shared.rows)):
            pass
        return shared.rows

    def __len__(self) -> int:
        return len(self._fetched(float("inf")))

    def __bool__(self) -> bool:
        return bool(self._fetched(1))

    # Reading, in tasks.

    async def __aiter__(self) -> AsyncIterator[T]:
        self._check_bound()
        if self._complete:
            for row in self._rows:
                yield row
            return
        self._before_fetch()
        rows: list[Any] = []
        client = self._using()
        pages = client.aiterate(self._pages())
        try:
            async for page in pages:
                rows.extend(page)
                for row in page:
                    yield row
        finally:
            await pages.aclose()
        self._keep(rows, client)

    async def _afill(self) -> list[Any]:
        if self._complete:
            return self._rows
        return [row async for row in self]

    # Displaying.

    def _shown(self) -> str:
        if self._complete:
            return f"{len(self._rows)} fetched"
        return f"{len(self._rows)} fetched so far" if self._rows else "not fetched"

    def __reduce__(self) -> Any:
        raise PlanhatError(f"A {type(self).__name__} is not pickled: pickle list(it).")
