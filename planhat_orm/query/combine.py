"""AND and OR within one `filter()`: conditions over one relation speak of one related record.

`licenses__product="Core", licenses__mrr__gte=4900` asks for a company with one licence that is both, as Django's
`filter()` does. What is under `~` stays apart, and so do the conditions of two calls.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import FieldError
from .tree import All, Any, Hop, Node, Related
from .walk import leaves_in

MOST = 256
"""Leaves that conditions under OR may be spread into, before another way to ask is suggested."""


def conjunction(parts: Iterable[Node]) -> Node:
    """All of the parts, where those over one relation are about one record of it."""
    flat = _flat(parts, All)
    spread = _to_spread(flat)
    if spread is None:
        return _one(_merged(flat, conjunction), All)
    choice, concerned = spread
    rest = [part for part in flat if part is not choice and not any(part is other for other in concerned)]
    ways = disjunction(conjunction([*concerned, child]) for child in choice.children)
    if len(leaves_in(ways)) > MOST:
        raise FieldError(
            "These conditions over relations combine in too many ways: write them as several "
            "filter() calls, or fewer of them under OR."
        )
    return conjunction([*rest, ways])


def disjunction(parts: Iterable[Node]) -> Node:
    """Some of the parts; those over one relation become one condition on its records."""
    return _one(_merged(_flat(parts, Any), disjunction), Any)


def _flat(parts: Iterable[Node], kind: type[All | Any]) -> list[Node]:
    flat: list[Node] = []
    for part in parts:
        flat += part.children if isinstance(part, kind) else (part,)
    return flat


def _one(parts: list[Node], kind: type[All | Any]) -> Node:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _merged(parts: list[Node], join: object) -> list[Node]:
    """The parts, with those that a path over the same relation gave put into one; each stays where its first was."""
    merged: list[Node] = []
    at: dict[Hop, int] = {}
    for part in parts:
        step = _step(part)
        if step is None or step not in at:
            if step is not None:
                at[step] = len(merged)
            merged.append(part)
            continue
        first = merged[at[step]]
        assert isinstance(first, Related) and isinstance(part, Related) and callable(join)
        merged[at[step]] = Related(first.name, first.hop, join((first.where, part.where)))
    return merged


def _step(part: Node) -> Hop | None:
    """What a path steps over; None for anything else."""
    if not isinstance(part, Related) or not part.shared:
        return None
    return part.hop


def _to_spread(parts: list[Node]) -> tuple[Any, list[Node]] | None:
    """Alternatives that share a relation with other parts, and those parts."""
    for part in parts:
        if isinstance(part, Any) and (steps := _steps(part)):
            concerned = [other for other in parts if other is not part and steps & _steps(other)]
            if concerned:
                return part, concerned
    return None


def _steps(node: Node) -> set[Hop]:
    """The relations that a tree's paths step over, outside of any NOT."""
    if isinstance(node, (All, Any)):
        return {step for child in node.children for step in _steps(child)}
    step = _step(node)
    return set() if step is None else {step}
