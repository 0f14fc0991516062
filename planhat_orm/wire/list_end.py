"""What a list begins with when it is read backwards: the record that a walk along its ids has to reach."""

from __future__ import annotations

from msgspec import Struct

from .list_reader import NotSortedById, is_ascending


class ListEnd(Struct):
    """The greatest id that a list shows (`newest`, "" of none), and whether the answer itself shows that it is that."""

    newest: str | None = None
    came_backwards: bool | None = None
    shown: list[str] = []

    def note(self, ids: list[str]) -> None:
        """Take the ids that the list was answered with; `NotSortedById` where they have neither direction."""
        before = self.newest if self.came_backwards else None
        self.shown, self.newest, self.came_backwards = ids, (ids[0] if ids else ""), None
        if len(ids) > 1:
            self.came_backwards = is_ascending(ids[::-1])
            if not self.came_backwards and not is_ascending(ids):
                raise NotSortedById
        if before is not None and before <= self.newest:
            # What was made since is not waited for.
            self.newest, self.came_backwards = before, True

    def missing(self, first: list[str]) -> set[str]:
        """The ids that a first page lacks, although they are smaller than its last: no order by `_id` gives that."""
        return {id for id in self.shown if first and id <= first[-1]} - set(first)

    def left(self, anchor: str) -> tuple[int, bool]:
        """How many ids behind one the list showed when it was read backwards, and whether these are all."""
        if self.came_backwards is not True:
            return 0, False
        if anchor < self.shown[-1]:
            return len(self.shown), False
        return sum(id > anchor for id in self.shown), True

    def is_reached(self, lowest: str, anchor: str) -> bool:
        """Whether a walk that went from one id to another has seen all."""
        if self.newest is None:
            return False
        if len(self.shown) == 1 and lowest < anchor <= self.newest:
            self.came_backwards = True  # no list that is read forwards begins with its last record
        return self.came_backwards is True and self.newest <= anchor

    def is_unclear(self, anchor: str) -> bool:
        """Whether reading backwards does not show how the list ends."""
        if self.came_backwards is None:
            return bool(self.newest) and str(self.newest) <= anchor
        return not self.came_backwards
