"""What a request body means for a record: types cast, read-only keys ignored, `custom` merged, arrays operated on.

Casting follows what a Mongo server does with JSON (numbers in text, a single value for an array), because
clients send such things (API.md section 4: external ids as numbers).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ..wire.resources import resource
from .refusal import Refusal
from .switches import Switches
from .tables import Record
from .times import iso, moment, tidy

_IGNORED = object()
_TAGS = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^>]*>")
_KNOWN_TAGS = frozenset(
    (
        "a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li",
        "ol", "p", "pre", "s", "span", "strong", "u", "ul",
    )
)  # fmt: skip
_RICH_TEXT = {("conversation", "description"), ("task", "description")}
_OPERATIONS = {
    "add": "add", "append": "add", "push": "add", "replace": "replace", "set": "replace", "remove": "remove",
    "pull": "remove",
}  # fmt: skip


def read(body: Any, name: str, old: Record | None, switches: Switches, dated: Mapping[str, str]) -> Record:
    """Return what `body` sets on a record of resource `name`, cast and merged with the `old` record.

    `dated` names the custom fields of type date or day, on which an empty text does nothing.
    """
    if not isinstance(body, dict):
        raise Refusal("Expected an object")
    info = resource(name)
    casters = _casters(name)
    changes: Record = {}
    custom: Record = {}
    for key, value in body.items():
        if key == "custom":
            if isinstance(value, dict):
                custom.update(value)
            elif value is not None:
                raise Refusal("Cast to object failed at path custom")
        elif key.startswith("custom."):
            custom[key[7:]] = value
        elif (caster := casters.get(key)) is not None:
            cast = _cast(caster, key, value, old, switches)
            if cast is not _IGNORED:
                changes[key] = cast
        elif key not in info.fields and switches.unknown_keys == "store":
            changes[key] = value
    if custom and "custom" in info.fields:
        changes["custom"] = _merge_custom(custom, (old or {}).get("custom"), switches, dated)
    return changes


def plain(html: str) -> str:
    """Return the text of a rich text field, as `snippet` shows it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


def _cast(caster: Callable[[Any], Any], key: str, value: Any, old: Record | None, switches: Switches) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and (operation := _operation(value, switches)):
        if not getattr(caster, "array", False):
            raise Refusal(f"{key} is not an array")
        return _operated((old or {}).get(key), *operation, switches)
    try:
        return caster(value)
    except (TypeError, ValueError):
        raise Refusal(f"Cast to {caster.__name__.strip('_')} failed at path {key}") from None


def _operation(value: Mapping[str, Any], switches: Switches) -> tuple[str, list[Any]] | None:
    if len(value) != 1:
        return None
    ((word, items),) = value.items()
    dollar = word.startswith("$")
    if switches.array_operation != "any" and dollar != (switches.array_operation == "dollar"):
        return None
    operation = _OPERATIONS.get(word.lstrip("$").lower())
    if operation is None or not isinstance(items, list):
        return None
    return operation, items


def _operated(held: Any, operation: str, items: list[Any], switches: Switches) -> list[Any]:
    present = held if isinstance(held, list) else []
    if operation == "add" and switches.array_add == "append":
        return [*present, *items]
    if operation == "add":
        return present + [item for item in items if item not in present]
    if operation == "remove":
        return [item for item in present if item not in items]
    return items


def _merge_custom(custom: Record, old: Any, switches: Switches, dated: Mapping[str, str]) -> Record:
    if len({key.lower() for key in custom}) < len(custom):
        raise Refusal("custom has keys that differ only by case")
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in custom.items():
        if value == "" and key in dated:
            continue
        if value is None and switches.cleared_custom == "absent":
            merged.pop(key, None)
        elif isinstance(value, dict) and (operation := _operation(value, switches)):
            merged[key] = _operated(merged.get(key), *operation, switches)
        else:
            merged[key] = value
    return merged


@cache
def _casters(name: str) -> dict[str, Callable[[Any], Any]]:
    """The casts of the fields that may be written."""
    return {
        info.name: _caster(info.type, name, info.name)
        for info in resource(name).fields.values()
        if not info.read_only and info.name not in ("_id", "custom")
    }


def _caster(kind: str, name: str, key: str) -> Callable[[Any], Any]:
    if kind.startswith("array"):
        return _texts if kind == "array of string" else _array
    if (name, key) in _RICH_TEXT or (name == "note" and key == "description"):
        return _rich
    return {
        "number": _number, "integer": _number, "boolean": _boolean, "date": _date, "days": _days, "object": _object,
    }.get(kind, _text)  # fmt: skip


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(tidy(value)) if isinstance(value, float) else str(value)
    raise TypeError


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return value if isinstance(value, (int, float)) else tidy(float(value))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    read = {"true": True, "1": True, "false": False, "0": False, "": False}.get(_text(value))
    if read is None:
        raise ValueError
    return read


def _date(value: Any) -> Any:
    if value == "":
        return _IGNORED  # API.md section 9: date fields ignore an empty text
    read = moment(value)
    if read is None:
        raise ValueError
    return iso(read)


def _days(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return int(value)


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in _array(value)]


def _rich(value: Any) -> str:
    text = _text(value).replace("\r", "").replace("\n", "")
    return _TAGS.sub(lambda tag: tag[0] if tag[2].lower() in _KNOWN_TAGS else "", text)


_array.array = _texts.array = True  # type: ignore[attr-defined]
