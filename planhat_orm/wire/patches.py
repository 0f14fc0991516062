"""Patches: some keys of a record in the API's words, put over one, taken off again, merged with another's.

An absent key says nothing. `custom` counts key by key, as Planhat merges it (docs/reference/planhat-api.md section
9), and a list as a set: what I added and what you added are both in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clash:
    """A value that both sides changed. `label` is the custom field's, else None."""

    wire: str
    label: str | None
    base: Any = field(repr=False)
    mine: Any = field(repr=False)
    theirs: Any = field(repr=False)


class Merge(Struct):
    """What is left to send of a patch, and what somebody has to decide."""

    send: Raw = {}
    clashes: list[Clash] = []

    def put(self, wire: str, label: str | None, value: Any) -> None:
        """Send a value."""
        if label is None:
            self.send[wire] = value
        else:
            self.send.setdefault(wire, {})[label] = value


def three_way(base: Mapping[str, Any], patch: Mapping[str, Any], theirs: Mapping[str, Any]) -> Merge:
    """Merge a patch made over `base` with the record as it is now.

    A key that `base` lacks was never read, so nobody can have changed it since.
    """
    merge = Merge()
    for wire, mine in patch.items():
        if wire == "custom" and isinstance(mine, Mapping):
            before, now = base.get(wire), theirs.get(wire)
            read = _labels(before) if wire in base else None
            for label, value in mine.items():
                _settle(merge, wire, label, read, value, _labels(now).get(label))
        else:
            _settle(merge, wire, None, base, mine, theirs.get(wire))
    return merge


def _settle(merge: Merge, wire: str, label: str | None, read: Mapping[str, Any] | None, mine: Any, theirs: Any) -> None:
    name = wire if label is None else label
    if same(_bare(theirs), _bare(mine)):
        return
    if read is None or name not in read or alike(theirs, read[name]):
        merge.put(wire, label, mine)
        return
    if alike(theirs, mine):
        return
    base = read[name]
    if isinstance(mine, list) and isinstance(theirs, list) and isinstance(base or [], list):
        together = merged_list(base or [], mine, theirs)
        if not same(together, theirs):
            merge.put(wire, label, together)
        return
    merge.clashes.append(Clash(wire, label, base, mine, theirs))


def merged_list(base: list[Any], mine: list[Any], theirs: list[Any]) -> list[Any]:
    """Their list with what I added and without what I removed."""
    kept = [item for item in theirs if _holds(mine, item) or not _holds(base, item)]
    return kept + [item for item in mine if not _holds(base, item) and not _holds(kept, item)]


def _holds(values: list[Any], value: Any) -> bool:
    # `in` takes True for 1.
    return value in values and any(same(value, other) for other in values)


def merged(below: Raw, above: Mapping[str, Any]) -> Raw:
    """One record over another."""
    both = {**below, **above}
    if isinstance(below.get("custom"), Mapping) and isinstance(above.get("custom"), Mapping):
        both["custom"] = {**below["custom"], **above["custom"]}
    return both


def base_of(row: Mapping[str, Any], patch: Mapping[str, Any]) -> Raw:
    """What `row` says of the keys of a patch, None where it says nothing."""
    base = {wire: row.get(wire) for wire in patch}
    if isinstance(patch.get("custom"), Mapping):
        labels = _labels(row.get("custom"))
        base["custom"] = {label: labels.get(label) for label in patch["custom"]}
    return base


def under(row: Mapping[str, Any], patch: Mapping[str, Any]) -> Raw:
    """What `row` holds where `patch` would go: with it `remove_patch` undoes the patch."""
    held = {wire: row[wire] for wire in patch if wire in row}
    if isinstance(patch.get("custom"), Mapping) and isinstance(held.get("custom"), Mapping):
        held["custom"] = {label: held["custom"][label] for label in patch["custom"] if label in held["custom"]}
    return held


def remove_patch(row: Mapping[str, Any], patch: Mapping[str, Any], held: Mapping[str, Any]) -> Raw:
    """The row without a patch: with what was `under` it."""
    bare = dict(row)
    for wire, value in patch.items():
        if wire == "custom" and isinstance(value, Mapping) and isinstance(row.get(wire), Mapping):
            if wire in held and not isinstance(held[wire], Mapping):
                bare[wire] = held[wire]
                continue
            labels = {label: item for label, item in row[wire].items() if label not in value}
            labels.update(held.get(wire, {}))
            bare[wire] = labels
            if not labels and wire not in held:
                del bare[wire]
        elif wire in held:
            bare[wire] = held[wire]
        else:
            bare.pop(wire, None)
    return bare


def without(patch: Raw, newer: Mapping[str, Any]) -> Raw:
    """A patch without the keys that another one has, `custom` label by label."""
    left: Raw = {}
    for wire, value in patch.items():
        if wire == "custom" and isinstance(value, dict) and isinstance(newer.get(wire), Mapping):
            labels = {label: element for label, element in value.items() if label not in newer[wire]}
            if labels:
                left[wire] = labels
        elif wire not in newer:
            left[wire] = value
    return left


def renamed(value: Any, ids: Mapping[str, str]) -> Any:
    """A JSON value with ids replaced, wherever one stands alone."""
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, Mapping):
        return {key: renamed(element, ids) for key, element in value.items()}
    if isinstance(value, list):
        return [renamed(element, ids) for element in value]
    return value


def texts(value: Any) -> list[str]:
    """Every text that stands alone somewhere in a JSON value."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts(part)]


def same(left: Any, right: Any) -> bool:
    """JSON equality: 1 equals 1.0, and at no depth does either equal True."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    try:
        return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)
    except (TypeError, ValueError):
        # Something that is no JSON, such as an array: what it may be is asked when it is sent.
        return left is right


def alike(left: Any, right: Any) -> bool:
    """Whether two values mean the same: one moment in two spellings, or a text that the server tidied up."""
    if same(_bare(left), _bare(right)):
        return True
    if not (isinstance(left, str) and isinstance(right, str)):
        return False
    return _moment(left) == _moment(right) or _tidy(left) == _tidy(right)


def _labels(custom: Any) -> Mapping[str, Any]:
    return custom if isinstance(custom, Mapping) else {}


def _bare(value: Any) -> Any:
    # The server fills in empty lists and objects where nothing was.
    return None if value in ([], {}) else value


def _moment(text: str) -> datetime | str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tidy(text: str) -> str:
    return text.replace("\r", "").replace("\n", "").strip()
