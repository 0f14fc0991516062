"""Walks over a tree: what is in it, and the same tree with something replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any as Anything
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from .kinds import Kind
from .query import Query
from .tree import All, Figure, Hop, InQuery, Node, Not, Related, Target, Test

T = TypeVar("T")
_LEAVES = (Kind, Query, Hop)


def leaves_in(node: Node) -> list[Test | Related | InQuery]:
    """The single conditions that a tree combines by AND, OR and NOT."""
    if isinstance(node, (Test, Related, InQuery)):
        return [node]
    children = (node.child,) if isinstance(node, Not) else node.children
    return [leaf for child in children for leaf in leaves_in(child)]


def tests_in(node: Node) -> list[Test]:
    """Every test of a tree that looks at the record itself, not at related ones."""
    return [leaf for leaf in leaves_in(node) if isinstance(leaf, Test)]


def related_in(node: Node) -> list[Related]:
    """Every condition of a tree on related records; those inside another one are not listed."""
    return [leaf for leaf in leaves_in(node) if isinstance(leaf, Related)]


def parts_of(item: object) -> Iterator[Anything]:
    """Everything in a tree or value, outermost first; the queries in it are not entered."""
    yield item
    if isinstance(item, tuple):
        for element in item:
            yield from parts_of(element)
    elif isinstance(item, Struct) and not isinstance(item, _LEAVES):
        for name in item.__struct_fields__:
            yield from parts_of(getattr(item, name))


def paths_in(item: object) -> list[Target]:
    """The fields of the record itself that a condition or value looks at, those behind relations left out."""
    if isinstance(item, Target):
        return [item]
    if isinstance(item, Related):
        return []
    if isinstance(item, InQuery):
        return [item.target]
    if isinstance(item, Figure):
        return paths_in(item.where[:1]) if item.hops else paths_in((item.where, item.value))
    if isinstance(item, tuple):
        return [path for element in item for path in paths_in(element)]
    if isinstance(item, Struct) and not isinstance(item, _LEAVES):
        return [path for name in item.__struct_fields__ for path in paths_in(getattr(item, name))]
    return []


def wires_in(item: object) -> set[str]:
    """The wire fields of the record itself that a condition or value needs, keys of relations included."""
    wires: set[str] = {path.hops[0].near if path.hops else path.keys[0] for path in paths_in(item)}
    for part in parts_on_record(item):
        if isinstance(part, Related):
            wires.add(part.hop.near)
        elif isinstance(part, Figure) and part.hops:
            wires.add(part.hops[0].near)
    return wires


def parts_on_record(item: object) -> Iterator[Anything]:
    """Everything in a tree or value that is about the record itself; what is behind relations is not entered."""
    yield item
    if isinstance(item, Related):
        return
    if isinstance(item, InQuery):
        yield item.target
        return
    if isinstance(item, Figure) and item.hops:
        yield from parts_on_record(item.where[:1])
        return
    if isinstance(item, tuple):
        for element in item:
            yield from parts_on_record(element)
    elif isinstance(item, Struct) and not isinstance(item, _LEAVES):
        for name in item.__struct_fields__:
            yield from parts_on_record(getattr(item, name))


def replaced(item: T, change: Callable[[Anything], Anything]) -> T:
    """The same tree or value, with every part for which `change` gives another one replaced by that."""
    other = change(item)
    if other is not item:
        return other  # type: ignore[no-any-return]
    if isinstance(item, tuple):
        elements = tuple(replaced(element, change) for element in item)
        same = all(element is before for element, before in zip(elements, item, strict=True))
        return item if same else elements  # type: ignore[return-value]
    if not isinstance(item, Struct) or isinstance(item, _LEAVES):
        return item
    changed = {}
    for name in item.__struct_fields__:
        before = getattr(item, name)
        after = replaced(before, change)
        if after is not before:
            changed[name] = after
    return replace(item, **changed) if changed else item


def needs_relations(item: object) -> bool:
    """Whether a condition or value looks at other records."""
    return any(
        isinstance(part, (Related, InQuery)) or (isinstance(part, (Target, Figure)) and bool(part.hops))
        for part in parts_on_record(item)
    )


def without_relations(where: Node) -> Node:
    """Those of the conditions joined by AND that look at the record alone."""
    parts = where.children if isinstance(where, All) else (where,)
    return All(tuple(part for part in parts if not needs_relations(part)))


def figures_in(item: object) -> list[Figure]:
    """The outermost figures of a condition or value."""
    if isinstance(item, Figure):
        return [item]
    if isinstance(item, tuple):
        return [figure for element in item for figure in figures_in(element)]
    if isinstance(item, Struct) and not isinstance(item, _LEAVES):
        return [figure for name in item.__struct_fields__ for figure in figures_in(getattr(item, name))]
    return []
