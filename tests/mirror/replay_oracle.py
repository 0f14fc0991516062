"""What the memory must say: whole states kept from first to last, where the memory keeps what undoes the last ones.

It shares nothing with the memory but what the mirror showed after each of its transactions. A test says which fields a
write of ours set meanwhile, and which temporary ids gave way.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

Row = dict[str, Any]
EVERYTHING = "*"
Ours = Mapping[str, set[str]]
"""What is ours, by id: flat wire names (`custom.Label`), or `EVERYTHING` for a record that we made or took away."""


class Oracle:
    """The states of one table, as they were seen."""

    def __init__(self) -> None:
        self.states: list[tuple[int, dict[int, Row]]] = []
        self.changes: list[tuple[int, str, str, str, Any, Any]] = []
        self._numbers: dict[str, int] = {}

    def number(self, id: str) -> int:
        """The number of a record, which it keeps whatever its id becomes."""
        return self._numbers.setdefault(id, len(self._numbers))

    def knows(self, id: str) -> bool:
        """Whether a record was ever seen under an id."""
        return id in self._numbers

    def rows(self) -> dict[int, Row]:
        """The rows as they were seen last, by number."""
        return self.states[-1][1] if self.states else {}

    def see(self, moment: int, rows: Iterable[Row], ours: Ours, renamed: Mapping[str, str]) -> None:
        """Keep a state; `renamed` are ids that gave way, `{temporary: id}`."""
        for temporary, id in renamed.items():
            self._numbers[id] = self.number(temporary)
        now = {self.number(row["_id"]): copy.deepcopy(row) for row in rows}
        mine = {self.number(id): names for id, names in ours.items()}
        before = self.rows()
        for number in sorted(before.keys() | now.keys()):
            kind = "created" if number not in before else "deleted" if number not in now else "updated"
            old, new = flat(before.get(number)), flat(now.get(number))
            names = mine.get(number, set())
            for name in sorted(old.keys() | new.keys()):
                if (name in old, old.get(name)) != (name in new, new.get(name)):
                    own = EVERYTHING in names or (kind == "updated" and name in names)
                    origin = "mine" if own else "theirs"
                    self.changes.append((number, kind, origin, name, old.get(name), new.get(name)))
        self.states.append((moment, now))

    def at(self, moment: int) -> dict[str, Row]:
        """The rows at a moment, by id: those of the last state that was seen at or before it."""
        found: dict[int, Row] = {}
        for at, rows in self.states:
            if at <= moment:
                found = rows
        return {row["_id"]: row for row in found.values()}


def flat(row: Row | None) -> Row:
    """A row with its custom fields beside the others."""
    plain = {name: value for name, value in (row or {}).items() if name != "custom"}
    custom = (row or {}).get("custom")
    return {**plain, **{f"custom.{label}": value for label, value in (custom or {}).items()}}
