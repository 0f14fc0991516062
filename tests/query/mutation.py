"""What a mutant is: one mistake, in one reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """One mistake: in which reading, and how to make it."""

    name: str
    reading: str
    make: Callable[[Patch], None]

    def __str__(self) -> str:
        return f"{self.reading}: {self.name}"
