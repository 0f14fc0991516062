"""A figure over time in one line: `mrr  ▁▅█  900 to 1,400 since 2026-09-01`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ..reports.figures import sparks

_BARS = 40


def line(name: str, steps: Sequence[tuple[date, float]]) -> str | None:
    """The line of a figure, oldest value first; None where it never changed."""
    values = [value for _, value in steps]
    if len(set(values)) < 2:
        return None
    return f"{name}  {sparks(values[-_BARS:])}  {values[0]:,} to {values[-1]:,} since {steps[0][0]:%Y-%m-%d}"
