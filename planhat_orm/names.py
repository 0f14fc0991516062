"""Names: Planhat's camelCase and Python's snake_case, and the nearest right word for a wrong one."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Mapping


def camel(name: str) -> str:
    """Turn a Python name into a wire name: `last_updated` gives `lastUpdated`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `name` most likely meant, or None when nothing is close."""
    wrong, known = name.lower(), list(choices)
    meant = next((word for word in _SYNONYMS.get(wrong, ()) if word in known), None)
    if meant is not None or len(wrong) > _LONGEST:
        return meant
    edits, _, best = min(
        ((_edits(wrong, choice.lower()), abs(len(wrong) - len(choice)), choice) for choice in _comparable(known)),
        default=(len(wrong) + 1, 0, ""),
    )
    if edits <= max(1, min(2, len(wrong) // 3)):
        return best
    # A word too many (`company_owner` for `owner`) is a likelier mistake than many wrong letters.
    alike, words = max(((_shared(wrong, choice.lower()), choice) for choice in known), default=(0.0, ""))
    if alike >= 0.5:
        return words
    if edits <= len(wrong) // 3:
        return best
    return words if alike else None


def _comparable(names: Iterable[str]) -> list[str]:
    return [name for name in names if len(name) <= _LONGEST]


def _shared(left: str, right: str) -> float:
    """How much of the words of two names is in both, from 0 to 1."""
    one, other = set(left.split("_")), set(right.split("_"))
    return len(one & other) / len(one | other)


def _edits(left: str, right: str) -> int:
    """How many letters must be inserted, dropped, replaced, or swapped with a neighbour."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


def did_you_mean(name: str, choices: Iterable[str], before: str = "", after: str = "") -> str:
    """Return " Did you mean 'x'?" or, when nothing is close, what there is, of many names the nearest.

    Made to be put behind an error's first sentence. `mrr>=1000` in a name's place is answered with the lookup. `before`
    and `after` are what stands around a name that is a word of a path, so that the answer is the whole path.
    """
    known = sorted(choices)
    compared = _COMPARISON.fullmatch(name[: 2 * _LONGEST])
    if compared is not None:
        field, sign, value = compared.groups()
        field = field if field in known else nearest(field, known)
        if field is not None:
            lookup = before + field + _LOOKUPS[sign]
            return f" Did you mean {lookup!r}, as in {lookup}={value or '...'}?"
    match = nearest(name, known)
    if match is not None:
        return f" Did you mean {before + match + after!r}?"
    if len(known) <= _LISTED:
        return f" There is: {', '.join(known)}." if known else ""
    wrong = name.lower()[:_LONGEST]
    close = sorted(
        _comparable(known), key=lambda choice: (-_shared(wrong, choice.lower()), _edits(wrong, choice.lower()))
    )
    return f" There is: {', '.join(sorted(close[:_LISTED]))}, and {len(known) - _LISTED} more."


_LONGEST = 100
"""Names with more letters are compared with none: it would take seconds, and they are no names."""
_LISTED = 10
_COMPARISON = re.compile(r"\s*(\w+)\s*(>=|<=|==|>|<|=)\s*(.*?)\s*", re.DOTALL)
_LOOKUPS = {">=": "__gte", "<=": "__lte", ">": "__gt", "<": "__lt", "==": "", "=": ""}
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "health": ("h",),
    "health_score": ("h",),
    "name": ("nick_name", "title", "subject", "action", "product"),
    "title": ("name", "action", "subject"),
    "due": ("due_date", "end_time"),
    "due_date": ("end_time",),
    "deadline": ("due_date", "end_time"),
    "created": ("create_date", "created_at"),
    "created_at": ("create_date",),
    "create_date": ("created_at",),
    "updated": ("last_updated", "updated_at"),
    "updated_at": ("last_updated",),
    "last_updated": ("updated_at",),
    "customer": ("company",),
    "account": ("company",),
    "csm": ("owner",),
    "account_manager": ("owner",),
    "amount": ("value", "amount_total"),
    "revenue": ("mrr", "value"),
    "start": ("from_date", "start_date", "start_time"),
    "start_date": ("from_date", "start_time"),
    "end": ("to_date", "end_date", "end_time"),
    "end_date": ("to_date", "end_time"),
}
"""What people call a field that Planhat calls otherwise, the likeliest first."""


def quoted(value: object) -> str:
    """What was given, as an error shows it: as Python writes it, cut where it is long or deep."""
    return _REPR.repr(value)


_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother = 3, _LONGEST, _LONGEST
