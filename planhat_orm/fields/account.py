"""The custom fields that an account has, as far as they are known: from its own list, read or mirrored once.

They say what kind a custom field is of that no class declares, and which labels there are at all.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from .. import runtime
from ..errors import FieldError, ReadOnlyError, UnknownNameWarning, ValidationError
from ..names import did_you_mean, nearest
from ..query import kinds
from ..query.dates import PARTS
from ..query.kinds import Kind
from ..query.lookups import LOOKUPS

TYPES: Mapping[str, type] = {
    "number": float,
    "rating": float,
    "checkbox": bool,
    "day": date,
    "date": datetime,
    "multipicklist": list,
    "team members": list,
    "endusers": list,
}
"""The Python type of each of Planhat's field types (docs/reference/planhat-api.md section 9); all others hold text."""

KIND_OF: Mapping[type, Kind] = {
    str: kinds.TEXT,
    int: kinds.INTEGER,
    float: kinds.NUMBER,
    bool: kinds.BOOLEAN,
    datetime: kinds.DATETIME,
    date: kinds.DAY,
    list: kinds.LIST,
    dict: kinds.OBJECT,
}
"""The Python types a custom field can be declared with. `date` is Planhat's `day`: epoch days on the wire."""

_ALSO = {"note": "conversation", "ticket": "conversation"}
"""Models whose custom fields Planhat lists under another one's name, as they are of its kind."""


@dataclass(frozen=True, slots=True)
class AccountField:
    """One custom field of the account. `choices` are those of a list; `readonly` says that a formula fills it."""

    label: str
    kind: Kind
    choices: tuple[str, ...] = ()
    readonly: bool = False


KnownFields = Mapping[str, AccountField]
"""The custom fields of a model by label."""


def folded(parent: str) -> str:
    """The name of a model as the `parent` of a custom field is compared by."""
    # Written with a capital in the table and without in the examples.
    return re.sub(r"[^a-z]", "", parent.lower())


def by_parent(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, AccountField]]:
    """Records of `/customfields` as the fields of each model, by its folded name."""
    found: dict[str, dict[str, AccountField]] = {}
    for row in rows:
        label, parent = row.get("name"), row.get("parent")
        if isinstance(label, str) and isinstance(parent, str):
            found.setdefault(folded(parent), {})[label] = _field(label, row)
    return found


def _field(label: str, row: Mapping[str, Any]) -> AccountField:
    kind, choices = KIND_OF[TYPES.get(str(row.get("type")), str)], row.get("listValues")
    listed = row.get("type") in ("list", "multipicklist") and isinstance(choices, list)
    return AccountField(label, kind, tuple(map(str, choices or ())) if listed else (), bool(row.get("isFormula")))


def fields_for(resource: str, parents: Mapping[str, KnownFields]) -> KnownFields:
    """The custom fields of a resource, out of those of all models."""
    names = [name for name in (resource, _ALSO.get(resource)) if name is not None]
    return {label: field for name in reversed(names) for label, field in parents.get(folded(name), {}).items()}


def known_fields(resource: str, record: Any = None) -> KnownFields | None:
    """The custom fields that the account of the record, or of the current client, has; None while they are unknown."""
    return runtime.custom_fields(resource, record)


def kind_of(meta: Any, label: str, record: Any = None) -> Kind:
    """The kind of a custom field, as a class declares it or the account says; `ANY` while nobody knows.

    A label that the account does not have raises, except for a `record`, where it is read.
    """
    if label in meta.customs:
        kind: Kind = meta.customs[label].kind
        return kind
    known = known_fields(meta.resource.name, record)
    if known is not None and label in known:
        return known[label].kind
    if known is not None and record is None:
        refuse(unknown(label, meta, known))
    return kinds.ANY


def unknown(label: str, meta: Any, known: KnownFields) -> str:
    """The sentence for a label that the account does not have."""
    labels = {*known, *meta.customs}
    near = nearest(label, labels)
    hint = f" Did you mean {near!r}?" if near is not None else f" There is: {', '.join(sorted(labels)[:10])}."
    return f"This account has no custom field {label!r} on {meta.resource.name}.{hint}"


def refuse(sentence: str, record: Any = None) -> None:
    """Raise, or warn where `Planhat(custom="warn")` says so."""
    if runtime.custom_policy(record) == "warn":
        warnings.warn(sentence, UnknownNameWarning, stacklevel=2)
        return
    raise FieldError(
        f'{sentence} (If it is new, sync(CustomField) or list the custom fields; Planhat(custom="warn") lets it pass.)'
    )


def check(record: Any, label: str, old: Any, new: Any) -> None:
    """Refuse to set a label, which no class declares, to what the account has no field or choice for.

    A label that the record has already may be changed, whatever the list says.
    """
    known = known_fields(record._meta.resource.name, record)
    if known is None:
        _warn_of_likely(record, label, old)
    elif label in known:
        _check_field(known[label], old, new)
    elif old is None and new is not None:
        refuse(unknown(label, record._meta, known), record)


def _check_field(field: AccountField, old: Any, new: Any) -> None:
    if field.readonly:
        raise ReadOnlyError(f"custom[{field.label!r}] is filled by a formula of Planhat's, so it is not set.")
    before = old if isinstance(old, list) else [old]
    # What is neither text nor a list is refused for its type.
    for item in new if isinstance(new, list) else [new] if isinstance(new, str) else []:
        if field.choices and item is not None and item not in field.choices and item not in before:
            raise ValidationError(
                f"custom[{field.label!r}] has no choice {item!r}.{did_you_mean(str(item), field.choices)}"
            )


def _warn_of_likely(record: Any, label: str, old: Any) -> None:
    """Of a new label that is nearly one the record has; more cannot be told before the account's list was read."""
    wire = record._came.get("custom")
    labels = [*(wire if isinstance(wire, dict) else ()), *record._meta.customs]
    near = nearest(label, labels) if old is None and label not in labels else None
    if near is not None:
        warnings.warn(
            f"custom[{label!r}] is new on this {type(record).__name__}. Did you mean {near!r}?",
            UnknownNameWarning,
            stacklevel=2,
        )


def custom_label(meta: Any, name: str) -> str | None:
    """The label that a name such as `custom.Tier` or `custom__Tier` stands for; None for every other name."""
    if not name.startswith("custom") or name in meta.fields or "custom" not in meta.fields:
        return None
    path = spelled((*name.split("__"),), lookup=False)
    return path[1] if len(path) == 2 and path[0] == "custom" else None


def spelled(path: tuple[str, ...], *, lookup: bool = True) -> tuple[str, ...]:
    """A path with a custom field as `("custom", label, *lookup)`, however it was spelled.

    Dots separate steps too. `custom.Label` is one step, and a label may hold dots and the two underscores that separate
    steps elsewhere. A part of a date (`month`) may follow, and with `lookup` a lookup too.
    """
    for place, part in enumerate(path):
        head, dot, rest_of_part = part.partition(".")
        if dot and head and head != "custom":
            return (*path[:place], head, *spelled((rest_of_part, *path[place + 1 :]), lookup=lookup))
        if part == "custom" or part.startswith("custom."):
            rest = [part.removeprefix("custom."), *path[place + 1 :]] if part != "custom" else [*path[place + 1 :]]
            last: list[str] = []
            for ends in (LOOKUPS, PARTS) if lookup else (PARTS,):
                if len(rest) > 1 and rest[-1] in ends:
                    last.insert(0, rest.pop())
            return (*path[:place], "custom", *(["__".join(rest)] if rest else []), *last)
    return path
