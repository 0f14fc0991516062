"""The fields that models declare, one class for each kind of value."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from typing import Any

from ..errors import ValidationError
from ..names import did_you_mean
from ..query import kinds
from .base import Field
from .scalars import digits


class Str(Field[str]):
    """Text."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.TEXT, **facts)


class Key(Str):
    """Your own id of a record, `external_id` or `source_id`: text, and a number is taken as its digits.

    Planhat compares these ids as text and takes numbers too (docs/reference/planhat-api.md section 4).
    """

    def check(self, value: object, zone: tzinfo | None = None) -> object:
        """Take a whole number as text."""
        return super().check(digits(value), zone)


class Choice(Field[str]):
    """Text out of a known set. Other values are read as they are; setting one raises."""

    def __init__(self, *choices: str, **facts: Any) -> None:
        super().__init__(kinds.TEXT, choices=choices, **facts)

    def check(self, value: object, zone: tzinfo | None = None) -> object:
        """Refuse a value that is none of the choices, naming the nearest one."""
        checked = super().check(value, zone)
        if checked is not None and checked not in self.choices:
            raise ValidationError(f"{self.name} has no choice {checked!r}.{did_you_mean(str(checked), self.choices)}")
        return checked


class Id(Field[str]):
    """An id: Planhat's own, or a reference to another record."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.ID, **facts)

    def check(self, value: object, zone: tzinfo | None = None) -> object:
        """Refuse an empty id."""
        checked = super().check(value, zone)
        if checked == "":
            raise ValidationError(f"{self.name} must be an id, not an empty text: set None to clear it.")
        return checked


class Number(Field[float]):
    """A number, whole or not."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.NUMBER, **facts)


class Int(Field[int]):
    """A whole number."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.INTEGER, **facts)


class Bool(Field[bool]):
    """True or False."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.BOOLEAN, **facts)


class DateTime(Field[datetime]):
    """A moment, always with a time zone; ISO text on the wire."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.DATETIME, **facts)


class Day(Field[date]):
    """A calendar day; whole days since 1970-01-01 on the wire (docs/reference/planhat-api.md section 9)."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.DAY, **facts)


class List(Field[list[Any]]):
    """A list, edited in place or set; it travels as a whole."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.LIST, **facts)


class StrList(Field[list[str]]):
    """A list of text, such as tags."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.LIST, **facts)

    def check(self, value: object, zone: tzinfo | None = None) -> object:
        """Refuse a list that holds anything but text."""
        checked = super().check(value, zone)
        wrong = next((item for item in checked if not isinstance(item, str)), "") if isinstance(checked, list) else ""
        if wrong != "":
            raise ValidationError(f"{self.name} must be a list of text (str), not of {type(wrong).__name__}.")
        return checked


class RefList(StrList):
    """A list of ids of other records; answers that hold an object for each are read as its id."""

    def __init__(self, **facts: Any) -> None:
        Field.__init__(self, kinds.REFS, **facts)


class Dict(Field[dict[str, Any]]):
    """An object."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.OBJECT, **facts)


class Json(Field[Any]):
    """A value of any JSON type."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(kinds.ANY, **facts)
