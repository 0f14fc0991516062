"""A plan of records to make, change and delete: what is shown of it, and how it is applied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult
from ..runtime import Client
from .plan import WritePlan, plan_of

M = TypeVar("M", bound=Model)


class RecordPlan(ABC, Generic[M]):
    """What would be made, changed and deleted. `print(plan)` shows it; `apply()` does it."""

    SHOWN = WritePlan.SHOWN

    def __init__(self, client: Client, creates: Sequence[M], updates: Sequence[M], deletions: Sequence[M]) -> None:
        self._client = client
        self.creates = list(creates)
        self.updates = list(updates)
        self.deletions = list(deletions)

    @property
    def plan(self) -> WritePlan:
        """The changes field by field, and what they cost."""
        return plan_of((*self.creates, *self.updates), self.deletions, self._client.seconds)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.creates or self.updates or self.deletions)

    def apply(self) -> BatchResult:
        """Send it: ceil(changed/5000) bulk upserts, and one DELETE for each deletion. Raises `BulkError`."""
        return self._client.run(self._apply())

    async def aapply(self) -> BatchResult:
        """Do what `apply()` does, in a task."""
        return await self._client.arun(self._apply())

    @abstractmethod
    def _apply(self) -> Flow[BatchResult]:
        """Send it."""

    def summary(self) -> str:
        """One line of counts."""
        return f"create {len(self.creates)}, update {len(self.updates)}, delete {len(self.deletions)}"

    def notes(self) -> list[str]:
        """What the plan leaves out, a line each."""
        return []

    def text(self, most: int | None = SHOWN) -> str:
        """The table of the first `most` changes, or of all, the notes and the counts."""
        return "\n".join([self.plan.text(most), *self.notes(), self.summary()])

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.summary()}>"

    def _repr_html_(self) -> str:
        return self.plan._repr_html_()

    def to_json(self) -> str:
        """The plan's changes as JSON, in a stable order."""
        return self.plan.to_json()
