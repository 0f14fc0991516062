"""Spans of time on the command line: `90s`, `5m`, `2h`, `1d`."""

from __future__ import annotations

import re

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])", re.IGNORECASE)


def seconds(text: str) -> float:
    """The seconds in `5m`; an error of the command line for anything else, and for none at all."""
    match = _SPAN.fullmatch(text.strip())
    length = float(match[1]) * _UNITS[match[2].lower()] if match else 0.0
    if length <= 0:
        raise typer.BadParameter(f"{text!r} is no span of time: write 90s, 5m, 2h or 1d")
    return length
