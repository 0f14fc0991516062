"""Results: fetched page by page, as far as they are read, and kept.

`for x in rows: break`, `bool(rows)` and `rows[0]` stop early and keep what came; the next loop goes on
from there. Displaying a result never fetches anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import FieldError, PlanhatError, WhichClient
from ..scopes import clients

if TYPE_CHECKING:
    from ..http.effects import Flow
    from ..runtime import Client

T = TypeVar("T", covariant=True)


class Results(Generic[T]):
    """A lazy sequence of what a query finds."""

    __slots__ = ("_bound", "_complete", "_cursor", "_rows")

    def __init__(self) -> None:
        self._rows: list[Any] = []
        self._complete = False
        self._cursor: Generator[Any, None, Any] | None = None
        self._bound: Client | None = None
        """The client that the rows came from, where only fetching them settled which."""

    # What the subclasses say.

    def _using(self) -> Client:
        raise AssertionError("a subclass says which client")

    def _chosen_client(self) -> Client | None:
        """The client that was chosen when this was made, if one was."""
        raise AssertionError("a subclass says whether one was")

    def _bind(self) -> Client:
        """The client to fetch rows from that are kept: it stays the one of these results."""
        client = self._using()
        if self._chosen_client() is None:
            self._bound = client
        return client

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

    def _before_fetch(self) -> None:
        """Called once before the first page is asked for."""

    # Reading, in threads.

    def __iter__(self) -> Iterator[T]:
        self._check_bound()
        place = 0
        while True:
            while place < len(self._rows):
                yield self._rows[place]
                place += 1
            if not self._more():
                return

    def _more(self) -> bool:
        """Fetch one page more; False when there is none."""
        if self._complete:
            return False
        if self._cursor is None:
            self._before_fetch()
            self._cursor = self._bind().iterate(self._pages())
        try:
            page = next(self._cursor)
        except StopIteration:
            self._complete, self._cursor = True, None
            return False
        except BaseException:
            # What came is not the whole: forget it, so that the next reading starts over.
            self._rows, self._cursor = [], None
            raise
        self._rows.extend(page)
        return True

    def _at(self, place: int) -> Any:
        """One result, fetching pages up to it."""
        self._check_bound()
        if not isinstance(place, int):
            raise TypeError(f"Results are taken by number or slice, not by {type(place).__name__}.")
        if place < 0:
            raise FieldError("Counting from the end is not possible: use order_by('-...').first(), or last().")
        while len(self._rows) <= place:
            if not self._more():
                raise IndexError(f"There is nothing at {place}: there are {len(self._rows)}.")
        return self._rows[place]

    def _fill(self) -> list[Any]:
        self._check_bound()
        while self._more():
            pass
        return self._rows

    def __len__(self) -> int:
        return len(self._fill())

    def __bool__(self) -> bool:
        self._check_bound()
        return bool(self._rows) or self._more_until_any()

    def _more_until_any(self) -> bool:
        while not self._rows:
            if not self._more():
                return False
        return True

    # Reading, in tasks.

    async def __aiter__(self) -> AsyncIterator[T]:
        self._check_bound()
        if self._complete:
            for row in self._rows:
                yield row
            return
        self._before_fetch()
        rows: list[Any] = []
        pages = self._using().aiterate(self._pages())
        try:
            async for page in pages:
                rows.extend(page)
                for row in page:
                    yield row
        finally:
            await pages.aclose()
        self._bind()
        self._rows, self._complete = rows, True

    async def _afill(self) -> list[Any]:
        if not self._complete:
            async for _ in self:
                pass
        return self._rows

    # Displaying.

    def _shown(self) -> str:
        if self._complete:
            return f"{len(self._rows)} fetched"
        return f"{len(self._rows)} fetched so far" if self._rows else "not fetched"

    def __reduce__(self) -> Any:
        raise PlanhatError(f"A {type(self).__name__} is not pickled: pickle list(it).")
