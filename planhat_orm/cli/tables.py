"""Tables in a terminal: columns that fold where they may, and records as blocks where the columns do not fit.

Ids never fold, since people copy them. Where nobody looks, in a file or a pipe, nothing folds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_ID = re.compile(r"(.*_)?id|key", re.IGNORECASE)
_PARTS = re.compile(r"(?<![0-9a-f])([0-9a-f]{24})(?![0-9a-f])")
_WORD = 24
"""A word of this length is not broken, such as Planhat's ids; longer ones are, in columns that are no ids."""
_GAPS = (3, 2, 1)
_EDGES = 2


def lines(
    head: Sequence[str], body: Sequence[Sequence[str]], numeric: Sequence[bool], width: int | None
) -> tuple[list[str], bool]:
    """Write rows of text in `width` columns of a terminal, None for any; and tell whether each is a block."""
    natural = [max(map(cell_len, column)) for column in zip(head, *body, strict=True)]
    fit = (_GAPS[0], natural) if width is None else _fitting(natural, _least(head, body, natural, numeric), width)
    if fit is None:
        assert width is not None
        return _blocks(head, body, width), True
    gap, widths = fit
    # The box has one space between two columns, and the padding is on both sides, or on one.
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap // 2, 0, (gap - 1) // 2))
    for name, column, size in zip(head, numeric, widths, strict=True):
        made.add_column(Text(name), justify="right" if column else "left", overflow="fold", width=size)
    for row in body:
        made.add_row(*(Text(_broken(text, size)) for text, size in zip(row, widths, strict=True)))
    return _printed(made, _taken(widths, gap)), False


def _taken(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1) + _EDGES


def _fitting(natural: list[int], least: list[int], width: int) -> tuple[int, list[int]] | None:
    """The gap and the width of each column: narrow gaps before folded cells. None where they do not fit at all."""
    for gap in _GAPS:
        if _taken(natural, gap) <= width:
            return gap, natural
    for gap in _GAPS[1:]:
        widths = _folded(natural, least, width - _taken([0] * len(natural), gap))
        if widths is not None:
            return gap, widths
    return None


def _least(
    head: Sequence[str], body: Sequence[Sequence[str]], natural: list[int], numeric: Sequence[bool]
) -> list[int]:
    """How narrow each column may be: numbers and ids as they are, text to its longest word."""
    return [
        size if number or _ID.fullmatch(name) else max(_longest_word(text) for text in column)
        for name, size, number, column in zip(head, natural, numeric, zip(head, *body, strict=True), strict=True)
    ]


def _folded(natural: list[int], least: list[int], room: int) -> list[int] | None:
    """The columns made to fit, the widest ones first; None where they cannot."""
    widths = list(natural)
    while sum(widths) > room:
        foldable = [number for number, size in enumerate(widths) if size > least[number]]
        if not foldable:
            return None
        widths[max(foldable, key=widths.__getitem__)] -= 1
    return widths


def _longest_word(text: str) -> int:
    return max((min(cell_len(word), _WORD) for word in text.split()), default=0)


def _broken(text: str, width: int) -> str:
    """Words that are longer than a line, such as JSON, in pieces that leave ids whole."""
    return re.sub(r"\S+", lambda word: word[0] if cell_len(word[0]) <= width else _PARTS.sub("\n\\1\n", word[0]), text)


def _blocks(head: Sequence[str], body: Sequence[Sequence[str]], width: int) -> list[str]:
    """One record a block: a line for each value that is there."""
    label = min(max(map(cell_len, head)), max(width - _WORD - _EDGES, 8))
    written: list[str] = []
    for row in body:
        made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        made.add_column(width=label, overflow="fold")
        made.add_column(width=width - label - _EDGES, overflow="fold")
        for name, text in zip(head, row, strict=True):
            if text:
                made.add_row(Text(name), Text(_broken(text, width - label - _EDGES)))
        written += ["", *_printed(made, width)]
    return written


def _printed(made: Table, width: int) -> list[str]:
    out = Console(width=max(width, 1), markup=False, highlight=False, emoji=False, no_color=True, force_terminal=False)
    with out.capture() as captured:
        out.print(made)
    # Rich fills every line up with spaces, which is no good in a file.
    return [line.rstrip() for line in captured.get().split("\n") if line.strip()]
