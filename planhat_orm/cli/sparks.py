"""A figure over time in one line: `mrr  ▁▅█  900 to 1,400 since 2026-09-01`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

_BARS = 40


def line(name: str, steps: Sequence[tuple[date, float]]) -> str | None:
    """The line of a figure, oldest value first; None where it never changed."""
    values = [value for _, value in steps]
    if len(set(values)) < 2:
        return None
    return f"{name}  {sparks(values[-_BARS:])}  {values[0]:,} to {values[-1]:,} since {steps[0][0]:%Y-%m-%d}"


def sparks(values: Sequence[float]) -> str:
    """A line of small bars, one a value: `▁▃▅█`. Equal values are in the middle; no values give no text."""
    if not values:
        return ""
    low, high = min(values), max(values)
    if low == high:
        return "▄" * len(values)
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) / (high - low) * 7)] for value in values)
