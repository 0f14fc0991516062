"""A query: everything about which records, in which order, how many, and which of their fields.

It is frozen and speaks wire names only, so that a source (the API, the mirror) needs no model to answer it,
and a queryset cannot change another one's query by accident.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .tree import EVERYTHING, Expr, Node, both

ANNOTATIONS = "\0annotations"
"""The key under which a row carries the values of its annotations, by name."""

Named = tuple[tuple[str, Expr], ...]
"""Values by name."""


class Query(Struct, frozen=True):
    """The records of `resource` that satisfy `where`, ordered, from `start` up to `stop`.

    `order` holds `(value, descending)` pairs; the last word is always `_id` ascending. `select` names the
    wire fields wanted (None: all); `hidden` includes what Planhat's lists leave out (archived contacts and
    tasks). `max_age` bounds, in seconds, how old a mirror may be to answer; `fresh` reads past
    the client's cache. `annotations` come with each record. Of records with equal values of `distinct` the first stays.

    With `groups` the rows are not records but groups of them: by the values named there (by none: one group of all),
    with `annotations` as figures, those that satisfy `having`; order and slice count groups. `zone` is the time zone
    of dates and parts of moments.
    """

    resource: str
    where: Node = EVERYTHING
    order: tuple[tuple[Expr, bool], ...] = ()
    start: int = 0
    stop: int | None = None
    select: frozenset[str] | None = None
    hidden: bool = False
    max_age: float | None = None
    fresh: bool = False
    annotations: Named = ()
    distinct: tuple[Expr, ...] = ()
    groups: Named | None = None
    having: Node = EVERYTHING
    zone: str = "UTC"

    def narrowed(self, condition: Node) -> Query:
        """The same query with one more condition."""
        return replace(self, where=both(self.where, condition))

    def sliced(self, start: int, stop: int | None) -> Query:
        """The query of `rows[start:stop]`, counted within this one's slice."""
        begin = self.start + start
        ends = [end for end in (self.stop, None if stop is None else self.start + stop) if end is not None]
        return replace(self, start=begin, stop=max(begin, min(ends)) if ends else None)

    @property
    def limit(self) -> int | None:
        """How many rows are wanted at most, or None for all."""
        return None if self.stop is None else self.stop - self.start

    @property
    def is_sliced(self) -> bool:
        """Whether a slice was taken; conditions can no longer be added then."""
        return self.start != 0 or self.stop is not None

    @property
    def picks(self) -> bool:
        """Whether which records it has depends on more than its conditions: on a slice, or on `distinct`."""
        return self.is_sliced or bool(self.distinct)

    def changed(self, **values: Any) -> Query:
        """The same query with some of its parts replaced."""
        return replace(self, **values)
