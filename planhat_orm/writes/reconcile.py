"""Reconcile: rows of another system against what is there.

Rows are matched by a key, mapped to fields, and compared as values; what comes out is a plan of creates,
updates, and, only when asked for, deletions. A second run with the same rows finds nothing to send.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

import msgspec

from .. import json_decoding
from ..errors import FieldError, ValidationError
from ..fields import Custom
from ..fields.base import Field
from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult
from ..names import did_you_mean
from ..query import kinds
from ..queryset.queryset import QuerySet
from ..queryset.writing import relate
from ..wire.keys import fold
from .plan import WritePlan, plan_of

if TYPE_CHECKING:
    from .facade import RecordWriter

M = TypeVar("M", bound=Model)
Converter = Callable[[Any], Any]
Mapped = str | tuple[str, Converter]
"""Where a column goes: a field's name, `custom.<label>`, or such a name with a function applied first."""


class PolarsFrame(Protocol):
    """A polars DataFrame, as far as it is rows."""

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dicts."""
        ...


class PandasFrame(Protocol):
    """A pandas DataFrame, as far as it is rows."""

    @property
    def columns(self) -> Iterable[Any]:
        """The names of the columns."""
        ...

    def to_dict(self, orient: Literal["records"]) -> list[dict[Any, Any]]:
        """The rows as dicts."""
        ...


Rows = str | Path | Iterable[Mapping[str, Any]] | PolarsFrame | PandasFrame
"""Rows of another system: dicts, a data frame, or the path of a CSV or JSON Lines file."""

_TRUE, _FALSE = ("true", "yes", "y", "1", "x"), ("false", "no", "n", "0", "")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one column's values go."""

    column: str
    name: str
    field: Field[Any] | None
    label: str
    convert: Converter | None


class ReconcilePlan(Generic[M]):
    """What reconciling would do. `print(plan)` shows it; `apply()` does it, as bulk upserts."""

    def __init__(
        self, writer: RecordWriter, creates: list[M], updates: list[M], unchanged: int, deletions: list[M]
    ) -> None:
        self._writer = writer
        self.creates = creates
        self.updates = updates
        self.unchanged = unchanged
        self.deletions = deletions

    @property
    def plan(self) -> WritePlan:
        """The changes field by field, and what they cost."""
        return plan_of((*self.creates, *self.updates), self.deletions, self._writer.seconds)

    def apply(self) -> BatchResult:
        """Send it: ceil(changed/5000) bulk upserts, and one DELETE for each deletion. Raises `BulkError`."""
        return self._writer.run(self._apply())

    async def aapply(self) -> BatchResult:
        """Do what `apply()` does, in a task."""
        return await self._writer.arun(self._apply())

    def _apply(self) -> Flow[BatchResult]:
        result = yield from self._writer.send([*self.creates, *self.updates], upsert=True, doomed=self.deletions)
        result.raise_for_failures()
        return result

    def summary(self) -> str:
        """One line of counts."""
        return (
            f"create {len(self.creates)}, update {len(self.updates)}, unchanged {self.unchanged}, "
            f"delete {len(self.deletions)}"
        )

    def __str__(self) -> str:
        return f"{self.plan}\n{self.summary()}"

    def __repr__(self) -> str:
        return f"<ReconcilePlan {self.summary()}>"

    def _repr_html_(self) -> str:
        return self.plan._repr_html_()

    def to_json(self) -> str:
        """The plan's changes as JSON, in a stable order."""
        return self.plan.to_json()


def reconcile(
    writer: RecordWriter,
    queryset: QuerySet[M],
    rows: Rows,
    key: str,
    mapping: Mapping[str, Mapped] | None,
    *,
    delete: bool = False,
    empty: Literal["skip", "clear"] = "skip",
) -> Flow[ReconcilePlan[M]]:
    """Read what is there once, compare, and return the plan. Raises `ValidationError` naming every bad row."""
    model = queryset.model
    if empty not in ("skip", "clear"):
        raise FieldError(f"empty is 'skip' or 'clear', not {empty!r}.")
    key_field = _key(model, key)
    table, textual = read_rows(rows)
    places = _places(model, mapping, table)
    if not any(place.field is key_field for place in places):
        raise FieldError(f"No column is mapped to the key {key!r}: add it to mapping.")
    wanted = _values(table, places, key_field, textual, empty)
    wires = {place.field.wire if place.field is not None else "custom" for place in places}
    names = [item.name for item in model._meta.by_wire.values() if item.wire in wires and item.name != "id"]
    there = yield from queryset.include_hidden().only(*names)._all()
    known: dict[str, list[Any]] = {}
    for record in there:
        value = getattr(record, key)
        if value is not None:
            known.setdefault(fold(key_field.wire, value), []).append(record)
    creates, updates, unchanged, problems = [], [], 0, []
    for place, (value, values) in enumerate(wanted):
        twins = known.get(fold(key_field.wire, value), [])
        if len(twins) > 1:
            problems.append(f"row {place}: {len(twins)} records have its {key} already")
            continue
        record = twins[0] if twins else model()
        try:
            _assign(record, values)
            if not twins:
                relate(queryset, [record])
                record.full_clean()
        except (ValidationError, FieldError) as wrong:
            problems.append(f"row {place}: {wrong}")
            continue
        if not twins:
            creates.append(record)
        elif record.changes():
            updates.append(record)
        else:
            unchanged += 1
    if problems:
        more = f" (and {len(problems) - 10} more)" if len(problems) > 10 else ""
        raise ValidationError(f"{len(problems)} rows cannot be sent; nothing was. {'; '.join(problems[:10])}{more}")
    given = {fold(key_field.wire, value) for value, _ in wanted}
    gone = [record for value, records in known.items() if value not in given for record in records] if delete else []
    return ReconcilePlan(writer, creates, updates, unchanged, gone)


def _key(model: type[Model], key: str) -> Field[Any]:
    names = [model._meta.by_wire[wire].name for wire in model._meta.resource.keys if wire in model._meta.by_wire]
    if key not in names or key == "id":
        usable = [name for name in names if name != "id"]
        raise FieldError(f"{model.__name__} cannot be matched by {key!r}.{did_you_mean(key, usable)}")
    return model._meta.fields[key]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(path.read_bytes().splitlines(), 1) if line.strip())


def _line(path: Path, number: int, line: bytes) -> Mapping[str, Any]:
    try:
        row = json_decoding.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise ValidationError(f"{path.name}, line {number} is no JSON: {wrong}.") from None
    if not isinstance(row, Mapping):
        raise ValidationError(f"{path.name}, line {number} holds no JSON object.")
    return row


def read_rows(rows: Rows) -> tuple[list[Mapping[str, Any]], bool]:
    """The rows of a list of dicts, a CSV or JSON Lines file, or a data frame; and whether all values are text."""
    if isinstance(rows, (str, Path)):
        path = Path(rows)
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            return [_line(path, number, line) for number, line in _lines(path)], False
        if path.suffix.lower() in (".csv", ".tsv", ".txt"):
            with path.open(newline="", encoding="utf-8-sig") as file:
                dialect = "excel-tab" if path.suffix.lower() == ".tsv" else "excel"
                return list(csv.DictReader(file, dialect=dialect)), True
        raise ValidationError(f"{path.name} is no .csv, .tsv or .jsonl file: give rows as dicts or a data frame.")
    if hasattr(rows, "to_dicts"):
        return list(rows.to_dicts()), False
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        return [{name: _present(value) for name, value in row.items()} for row in rows.to_dict("records")], False
    found = list(rows)
    for place, row in enumerate(found):
        if not isinstance(row, Mapping):
            raise ValidationError(f"Row {place} is a {type(row).__name__}: give dicts.")
    return found, False


def _present(value: Any) -> Any:
    # pandas has several missing values; none of them equals itself.
    return None if value is None or value != value else value


def _places(model: type[Model], mapping: Mapping[str, Mapped] | None, rows: list[Mapping[str, Any]]) -> list[Place]:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    chosen = mapping if mapping is not None else {column: column for column in columns}
    places = []
    for column, goal in chosen.items():
        name, convert = goal if isinstance(goal, tuple) else (goal, None)
        if rows and column not in columns:
            raise FieldError(f"No row has a column {column!r}.{did_you_mean(column, columns)}")
        if name.startswith("custom."):
            label = name.removeprefix("custom.")
            declared = model._meta.customs.get(label)
            places.append(Place(column, name, declared, label, convert))
            continue
        field = model._meta.fields.get(name)
        if field is None:
            raise FieldError(f"{model.__name__} has no field {name!r}.{did_you_mean(name, model._meta.fields)}")
        if field.readonly:
            raise FieldError(f"{model.__name__}.{name} is read-only, so the column {column!r} cannot be written to it.")
        places.append(Place(column, name, field, "", convert))
    return places


def _values(
    rows: list[Mapping[str, Any]], places: list[Place], key: Field[Any], textual: bool, empty: str
) -> list[tuple[Any, dict[Place, Any]]]:
    """Each row's key and values, converted; errors are gathered, so that a file is mended in one go."""
    found, problems = [], []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        values: dict[Place, Any] = {}
        for place in places:
            if place.column not in row:
                continue
            raw = row[place.column]
            if (raw is None or raw == "") and (empty == "skip" or place.field is key):
                continue
            try:
                values[place] = _convert(place, raw, textual)
            except (ValueError, TypeError, KeyError, AttributeError) as wrong:
                problems.append(f"row {number}, column {place.column!r}: {wrong or type(wrong).__name__}")
        mine = next((value for place, value in values.items() if place.field is key), None)
        if mine is None:
            problems.append(f"row {number} has no {key.name}")
            continue
        folded = fold(key.wire, mine)
        if folded in seen:
            problems.append(f"rows {seen[folded]} and {number} have the same {key.name}")
        seen[folded] = number
        found.append((mine, values))
    if problems:
        more = f" (and {len(problems) - 10} more)" if len(problems) > 10 else ""
        raise ValidationError(
            f"{len(problems)} rows cannot be read; nothing was sent. {'; '.join(problems[:10])}{more}"
        )
    return found


def _convert(place: Place, raw: Any, textual: bool) -> Any:
    if place.convert is not None:
        return place.convert(raw)
    if raw is None or raw == "":
        return None
    kind = place.field.kind if place.field is not None else kinds.ANY
    if isinstance(raw, float) and raw.is_integer() and kind.name in ("integer", "text", "id", "ref"):
        raw = int(raw)  # a column of whole numbers in a data frame, some of which are missing
    if kind.name in ("text", "id", "ref") and isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw)
    # JSON has no dates: they are text in every file, and in what other systems answer.
    written = textual or kind.name in ("datetime", "day")
    return from_text(kind, raw) if written and isinstance(raw, str) else raw


def from_text(kind: kinds.Kind, text: str) -> Any:
    """A cell of a CSV file as a value of a kind; `ValueError` saying what it should be."""
    text = text.strip()
    if kind.name in ("number", "integer"):
        value = kinds.NUMBER.load(text)
        if isinstance(value, str):
            raise ValueError(f"must be a number, not {len(text)} characters of text")
        return int(value) if kind.name == "integer" and float(value).is_integer() else value
    if kind.name == "boolean":
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise ValueError("must be true or false")
    if kind.name in ("datetime", "day"):
        value = kind.load(text)
        if isinstance(value, str):
            raise ValueError("must be a date such as 2026-01-31")
        return value
    if kind in kinds.LISTS:
        return [part.strip() for part in text.split(";") if part.strip()]
    return text


def _assign(record: Any, values: dict[Place, Any]) -> None:
    for place, value in values.items():
        if place.label and place.field is None:
            record.custom[place.label] = value
        elif isinstance(place.field, Custom):
            setattr(record, place.field.name, value)
        else:
            setattr(record, place.name, value)
