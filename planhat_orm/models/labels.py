"""What a person calls a record: by its name, as far as that was loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Model

_LONGEST = 60


def name_of(record: Model) -> str | None:
    """The record's name, title or subject on one line; None where none was loaded. Makes no request.

    A product says whose: `Platform (Alderbay Analytics)`. An email is left out, as a repr travels.
    """
    for name in record._meta.label_fields:
        label = None if name == "email" else _text(record, name)
        if label is not None:
            company = _text(record, "company_name") if name == "product" else None
            return label if company is None else f"{label} ({company})"
    return None


def label_of(record: Model) -> str:
    """The class and the name of a record, else its id, else "new": `Company Alderbay Analytics`."""
    return f"{type(record).__name__} {name_of(record) or record.id or 'new'}"


def _text(record: Model, name: str) -> str | None:
    field = record._meta.fields.get(name)
    value = None if field is None else (record._live or {}).get(name, record._came.get(field.wire))
    return _one_line(value) if isinstance(value, str) and value.strip() else None


def _one_line(text: str) -> str:
    """The text without what would move a terminal's cursor or turn its letters round."""
    shown = "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."
