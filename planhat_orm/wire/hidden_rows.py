"""Rows that a server counts and leaves out after it applied the limit: finding what follows them.

Every window of rows from the place of the last record seen on is looked at, in steps that leave no row between two
windows, and that place once more at the end: if it still shows that record, nothing moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..http.effects import Flow
from .list_reader import NotSortedById

ROUNDS = 3
"""So often what contradicts the order must show: a page may be of a moment before that of the other one."""
_STEPS = 40
_DOUBLINGS = 8

Look = Callable[[int], Flow[list[str]]]
"""The ids that show from an offset on."""


class Moved(Exception):
    """The list is not as it was a moment ago."""


class Gap(Struct):
    """What lies behind `anchor`, the last record seen, which shows at or after `place`, where `near` shows first."""

    look: Look
    anchor: str
    place: int
    near: str | None

    def cross(self, longest: int) -> Flow[tuple[int, list[str]] | None]:
        """Where ids beyond the anchor show, and what shows there; None where none do.

        `longest` is the longest page that the server gave. Raises `Moved`, or `NotSortedById`.
        """
        ids = yield from self._find_own_place()
        if ids is not None:
            return self.place, ids
        # No window is shorter than a quarter of it, also where the server draws its length anew.
        shown = yield from self._first_shown(max(1, longest // 4))
        if shown is not None:
            again = yield from self.look(self.place)
            if again[:1] != ([] if self.near is None else [self.near]):
                raise Moved
        return shown

    def _find_own_place(self) -> Flow[list[str] | None]:
        """Go to the rightmost place that begins at or before the anchor; what shows there where that is more."""
        step = 1
        while step:
            ids = yield from self.look(self.place + step)
            if not ids or ids[0] > self.anchor:
                step //= 2
                continue
            if self.near is not None and ids[0] < self.near:
                yield from self._check_order(step)
                raise Moved
            self.place, self.near, step = self.place + step, ids[0], step * 2
            if ids[-1] > self.anchor:
                return ids
        return None

    def _check_order(self, step: int) -> Flow[None]:
        """Raise `NotSortedById` if a place keeps showing a smaller id than one to the left of it."""
        ends: set[tuple[str, str]] = set()
        for _ in range(ROUNDS):
            left, right = (yield from self.look(self.place)), (yield from self.look(self.place + step))
            if not (left and right and right[0] < left[0]):
                return
            ends.add((left[0], right[0]))
        if len(ends) == 1:
            raise NotSortedById

    def _first_shown(self, stride: int) -> Flow[tuple[int, list[str]] | None]:
        """The first window further right that shows anything, and what."""
        at, edge = self.place, self.place + _STEPS * stride
        is_known = False  # whether something shows at the edge
        while at < edge:
            at += stride
            ids = yield from self.look(at)
            if ids:
                return at, ids
            if at >= edge and not is_known:
                edge, is_known = (yield from self._find_edge(edge, stride)), True
        return None

    def _find_edge(self, edge: int, stride: int) -> Flow[int]:
        """A place far to the right that shows anything; the same where none does."""
        for doubling in range(_DOUBLINGS):
            further = edge + stride * (1 << doubling)
            if (yield from self.look(further)):
                return further
        return edge
