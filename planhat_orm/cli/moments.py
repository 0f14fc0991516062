"""Moments on the command line: `2026-10-01`, `2026-10-01T09:30`, `2h` for two hours ago, `today-7d`, `month_start`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..query.moments import Moment, Span

_RELATIVE = re.compile(
    r"(?P<anchor>now|today|(?:week|month|quarter|year)_start)?\s*(?P<spans>(?:[+-]?\s*\d+(?:min|mo|[hdwqy])\s*)*)", re.I
)
_SPAN = re.compile(r"([+-]?)\s*(\d+)(min|mo|[hdwqy])", re.IGNORECASE)


def moment(text: str | None) -> str | Moment | None:
    """A moment as it was written, or relative to now; an error of the command line for what cannot be one."""
    stripped = "" if text is None else text.strip()
    match = _RELATIVE.fullmatch(stripped)
    if not stripped:
        return None
    if match is None:
        if not re.match(r"\d{4}-", stripped):
            raise typer.BadParameter(f"{stripped!r} is no moment: write 2026-10-01, 2026-10-01T09:30, 2h, 7d or today")
        return stripped
    # The units are those of questions, which load their parser.
    from .language.values import ANCHORS, SPANS

    found: Moment = ANCHORS[(match["anchor"] or "now").lower()]()
    for sign, count, unit in _SPAN.findall(match["spans"]):
        span: Span = SPANS[unit.lower()] * int(count)
        # What was: alone, a span is so long ago.
        found = found + span if sign == "+" or (not sign and match["anchor"]) else found - span
    return found
