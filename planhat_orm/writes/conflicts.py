"""Conflicts: what to do when the server's record moved since it was read.

Each changed field has three values: the base (what was read), mine, and theirs (what the server holds now).
Fields that only one side changed merge; a field that both changed is a conflict. The API has no conditional
write, so the check is a read just before the write: it narrows the window, it cannot close it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import ConflictError, FieldError
from ..fields import CustomFields
from ..fields.base import Field
from ..http.effects import Flow
from ..http.flows import collected
from ..models.base import Model
from ..query.kinds import ID
from ..query.query import Query
from ..query.tree import Target, Test
from ..runtime import Source

Policy = Literal["raise", "ours", "theirs"] | Callable[["Conflict"], Any]
"""How a field that both sides changed is settled; a function returns the value to send."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field of one record that changed on both sides. `name` is the field's, `custom.<label>` for custom fields."""

    object: Any
    name: str
    base: Any = field(repr=False)
    mine: Any = field(repr=False)
    theirs: Any = field(repr=False)


def check_policy(policy: Any) -> None:
    """Raise `FieldError` for an `on_conflict` that is none."""
    if policy is not None and policy not in ("raise", "ours", "theirs") and not callable(policy):
        raise FieldError(f"on_conflict is 'raise', 'ours', 'theirs' or a function, not {policy!r}.")


def settle(records: Sequence[Model], policy: Policy, source: Source) -> Flow[list[Conflict]]:
    """Compare changed records with the server's, merge what can be merged, and settle the rest by `policy`.

    Costs one list with only the changed fields, or a GET each for a few records. Raises `ConflictError`
    with every conflict in `.conflicts`, before anything is sent, where the policy is `"raise"`.
    """
    found: list[Conflict] = []
    remotes: list[tuple[Model, dict[str, Any]]] = []
    by_resource: dict[str, list[Model]] = {}
    for record in records:
        if record.id is not None and record.changes():
            by_resource.setdefault(record._meta.resource.name, []).append(record)
    for name, group in by_resource.items():
        wires = {wire for record in group for wire in record._payload()}
        test = Test(Target("id", ("_id",), ID), "in", tuple(sorted({record.id for record in group})))
        query = Query(name, where=test, select=frozenset({"_id", *wires}), hidden=True)
        rows = {row["_id"]: row for row in (yield from collected(source.pages(query)))}
        for record in group:
            remote = rows.get(record.id)
            if remote is None:
                found.append(Conflict(record, "", None, None, None))
            else:
                found += conflicts_of(record, remote)
                remotes.append((record, remote))
    if found and (policy == "raise" or any(not one.name for one in found)):
        raise ConflictError(
            f"{len(found)} field{'s' if len(found) > 1 else ''} of {len({id(one.object) for one in found})} records "
            f"changed on the server too, or the records are gone: see .conflicts; nothing was sent.",
            conflicts=found,
        )
    choices = {(id(one.object), one.name): choose(one, policy) for one in found}
    for record, remote in remotes:
        _merge(record, remote, choices)
    return found


def choose(conflict: Conflict, policy: Policy) -> Any:
    """The value to send for a conflict."""
    if policy == "theirs":
        return conflict.theirs
    return policy(conflict) if callable(policy) else conflict.mine


def conflicts_of(record: Model, remote: dict[str, Any]) -> list[Conflict]:
    """The fields that both sides changed, to different values that cannot be merged."""
    found = []
    for name, value in (record._live or {}).items():
        declared = record._meta.fields[name]
        difference: Any = declared.difference(record, value)
        if difference is None:
            continue
        if isinstance(declared, CustomFields):
            theirs = _object(remote.get("custom"))
            for label, (base, mine) in difference.items():
                if _clash(base, mine, theirs.get(label)):
                    found.append(Conflict(record, f"custom.{label}", base, mine, theirs.get(label)))
        else:
            base, mine = difference
            other = declared.kind.load(remote.get(declared.wire))
            if _clash(base, mine, other):
                found.append(Conflict(record, name, base, mine, other))
    return found


def _clash(base: Any, mine: Any, theirs: Any) -> bool:
    return theirs not in (base, mine) and not all(isinstance(one, list) for one in (base or [], mine, theirs))


def merged_list(base: list[Any], mine: list[Any], theirs: list[Any]) -> list[Any]:
    """Their list with what I added and without what I removed."""
    kept = [one for one in theirs if one in mine or one not in base]
    return kept + [one for one in mine if one not in base and one not in kept]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _merge(record: Model, remote: dict[str, Any], choices: dict[tuple[int, str], Any]) -> None:
    """Put their values under mine, so that only what still differs is sent."""
    live = dict(record._live or {})
    for name in list(live):
        declared = record._meta.fields[name]
        difference: Any = declared.difference(record, live[name])
        if difference is None:
            # A converted value that nobody changed: let it be read again from their record.
            if declared.wire in remote:
                del live[name]
        elif isinstance(declared, CustomFields):
            live[name] = _merged_custom(record, difference, remote, choices)
        else:
            live[name] = _merged_value(record, declared, difference, remote, choices)
    record._rebase({**record._wire, **remote}, live)


def _merged_value(
    record: Model,
    declared: Field[Any],
    pair: tuple[Any, Any],
    remote: dict[str, Any],
    choices: dict[tuple[int, str], Any],
) -> Any:
    chosen = choices.get((id(record), declared.name), ...)
    if chosen is not ...:
        return chosen
    return _merged(pair[0], pair[1], declared.kind.load(remote.get(declared.wire)))


def _merged_custom(
    record: Model, difference: dict[str, Any], remote: dict[str, Any], choices: dict[tuple[int, str], Any]
) -> dict[str, Any]:
    theirs = _object(remote.get("custom"))
    merged = {}
    for label, (base, mine) in difference.items():
        chosen = choices.get((id(record), f"custom.{label}"), ...)
        merged[label] = chosen if chosen is not ... else _merged(base, mine, theirs.get(label))
    return merged


def _merged(base: Any, mine: Any, theirs: Any) -> Any:
    if isinstance(mine, list) and isinstance(theirs, list):
        return merged_list(base or [], mine, theirs)
    return mine
