"""CSV and its kin: any usual encoding and delimiter, every cell in its place or the file is refused with the line."""

from __future__ import annotations

import codecs
import csv
import io
import re

from ..errors import ConfigurationError, ValidationError
from .cells import unguard
from .table import Row, Table, header_of, without_nameless

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR = re.compile(r'"?sep=(.)"?\r?\n')
"""The first line by which Excel is told the delimiter."""
_LONGEST = 131_072 * 64
"""Characters of a cell: notes and bodies of emails are longer than the standard library's default."""


def read(data: bytes, name: str, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """The table of a delimited file; `ValidationError` with the line of a row that has a cell too many or too few."""
    text = decoded(data, name, encoding)
    marked = _SEPARATOR.match(text)
    delimiter = delimiter or (marked[1] if marked is not None else _delimiter(text))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
    header: tuple[str, ...] | None = None
    rows: list[Row] = []
    lines: list[int] = []
    line = 1
    try:
        for cells in reader:
            if not any(map(str.strip, cells)) or (marked is not None and line == 1):
                pass
            elif header is None:
                header = header_of([unguard(cell) for cell in cells], name)
            else:
                rows.append(dict(zip(header, _fitting(cells, header, name, line), strict=True)))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as wrong:
        raise ValidationError(f"{name}, line {line}: {wrong}.") from None
    if header is None:
        raise ValidationError(f"{name} is empty: its first line must name the columns.")
    return without_nameless(Table(rows, header, lines, is_text=True), name)


def decoded(data: bytes, name: str, encoding: str | None) -> str:
    """The text of a file: in the encoding given, that of its mark, UTF-8, UTF-16, or else Windows' Latin."""
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except LookupError:
            raise ConfigurationError(f"There is no encoding {encoding!r}: utf-8 and cp1252 are usual.") from None
        except UnicodeDecodeError:
            raise ValidationError(f"{name} is no text in {encoding}.") from None
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    for guess in [marked] if marked is not None else ["utf-8", *_wide(data), "cp1252"]:
        try:
            text = data.decode(guess)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.removeprefix("\ufeff")
    raise ValidationError(f"{name} is no text in UTF-8, UTF-16 or cp1252: save it as UTF-8, or pass encoding=.")


def _wide(data: bytes) -> list[str]:
    """UTF-16 without its mark, where every other byte of the beginning is zero."""
    some = data[:400]
    if some[1::2].count(0) > len(some) // 4:
        return ["utf-16-le"]
    return ["utf-16-be"] if some[::2].count(0) > len(some) // 4 else []


def _delimiter(text: str) -> str:
    """The one that cuts the first line into most columns."""
    lines = (line for line in text.splitlines() if line.strip())
    first = next(lines, "")
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))


def _fitting(cells: list[str], header: tuple[str, ...], name: str, line: int) -> list[str]:
    if len(cells) != len(header):
        raise ValidationError(
            f"{name}, line {line} has {len(cells)} cells, and the first line {len(header)} names. A cell with the "
            f"delimiter in it must stand in quotes."
        )
    return [unguard(cell) for cell in cells]
