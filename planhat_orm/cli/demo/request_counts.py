"""The demo's books: requests that the client counted and calls that the emulator logged, step by step.

The two are counted independently of each other, so a table in which they agree says that nothing was sent unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ... import Planhat
    from ...emulator import Emulator


@dataclass(slots=True)
class Step:
    """One step of the demo. `sent` is the client's count, `logged` the emulator's."""

    name: str
    sent: int = 0
    logged: int = 0

    @property
    def told(self) -> str:
        """The requests of the step in words, the disagreement too."""
        words = f"{self.sent} request{'' if self.sent == 1 else 's'}"
        return words if self.sent == self.logged else f"{words}, but the emulator logged {self.logged}"


class RequestCounts:
    """All steps so far."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str, client: Planhat) -> Iterator[Step]:
        """Count what happens inside."""
        step = Step(name)
        self.steps.append(step)
        sent, logged = client.calls, self._emulator.calls
        yield step
        step.sent, step.logged = client.calls - sent, self._emulator.calls - logged

    @property
    def total(self) -> Step:
        """All steps added up."""
        return Step("all", sum(step.sent for step in self.steps), self._emulator.calls)

    @property
    def agrees(self) -> bool:
        """Whether both counts are the same in every step, and nothing was logged between the steps."""
        return all(step.sent == step.logged for step in [*self.steps, self.total])
