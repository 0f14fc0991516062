"""One page of a list, and what it proves: which ids are certainly not there."""

from __future__ import annotations

from typing import Generic

from msgspec import Struct

from .list_reader import Row


class Page(Struct, Generic[Row], frozen=True):
    """Rows that were not seen before, and the interval of ids that they prove: above `after`, up to `last`.

    `last` is None on the last page, which covers everything above; where it equals `after`, the page proves
    nothing. `anchor` is the greatest id so far, and `rank` is where the next page begins.
    """

    rows: list[Row]
    after: str
    last: str | None
    anchor: str
    rank: int

    @property
    def proved(self) -> bool:
        """Whether a record of the interval that is not on the page does not exist."""
        return self.after != self.last


class Asked(Struct, frozen=True):
    """Where a page was asked for, and how many rows at most."""

    offset: int
    limit: int
