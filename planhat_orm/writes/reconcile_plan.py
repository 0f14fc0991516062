"""What reconciling would do, to look at and to apply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, RowResult, joined
from ..runtime import Client
from .outgoing import Outgoing
from .record_plan import RecordPlan
from .references import Unresolved

M = TypeVar("M", bound=Model)
_SHOWN = 10


class ReconcilePlan(RecordPlan[M]):
    """What reconciling would do. `print(plan)` shows it; `apply()` does it, as bulk upserts.

    `unresolved` are the keys of related records that name none, or several: their rows are left out. `merged` are the
    records of rows that another row with the same key was put into, one for each such row. `left_alone` are the columns
    of fields that Planhat computes, or that the library does not know. `outgoing` are the rows for the other system
    where it lacks what Planhat owns: `plan.outgoing.to_csv("to-crm.csv")`. `apply()` sends none of them.
    """

    def __init__(
        self,
        client: Client,
        creates: list[M],
        updates: list[M],
        unchanged: int,
        deletions: list[M],
        *,
        unresolved: Sequence[Unresolved] = (),
        merged: Sequence[M] = (),
        left_alone: Sequence[str] = (),
        outgoing: Outgoing | None = None,
    ) -> None:
        super().__init__(client, creates, updates, deletions)
        self.unchanged = unchanged
        self.unresolved = tuple(unresolved)
        self.merged = tuple(merged)
        self.left_alone = tuple(left_alone)
        self.outgoing = outgoing if outgoing is not None else Outgoing("", ())

    def _apply(self) -> Flow[BatchResult]:
        changed = [*self.creates, *self.updates]
        sent = yield from self._client.writer.send(changed, upsert=True, doomed=self.deletions)
        result = joined([sent, BatchResult(RowResult(record, "merged") for record in self.merged)])
        result.raise_for_failures()
        return result

    def summary(self) -> str:
        """One line of counts."""
        rows = {item.row for item in self.unresolved}
        return (
            f"create {len(self.creates)}, update {len(self.updates)}, unchanged {self.unchanged}, "
            f"delete {len(self.deletions)}"
            + (f", merged {len(self.merged)}" if self.merged else "")
            + (f", left out {len(rows)}" if rows else "")
            + (f", outgoing {len(self.outgoing)}" if self.outgoing else "")
        )

    def notes(self) -> list[str]:
        """What is not sent, a line each: keys without a record, and columns of fields that Planhat computes."""
        lines = [f"left out: {item}" for item in self.unresolved[:_SHOWN]]
        if len(self.unresolved) > _SHOWN:
            lines.append(f"left out: {len(self.unresolved) - _SHOWN} more")
        return [
            *lines,
            *([f"left alone, as they are not yours to set: {', '.join(self.left_alone)}"] * bool(self.left_alone)),
        ]
