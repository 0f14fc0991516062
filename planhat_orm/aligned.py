"""Rows of text as lines, for whoever reads a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], most: int | None = None) -> list[str]:
    """Rows as lines whose cells stand below each other; one of more than `most` letters pushes the rest."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if most is not None:
        widths = [min(most, width) for width in widths]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
