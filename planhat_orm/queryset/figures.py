"""From `Count("tickets", filter=...)` to a figure: over which records, on which conditions, of which value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ..errors import FieldError
from ..fields.base import Field
from ..models.base import Model
from ..query.combine import conjunction, disjunction
from ..query.conditions import Exists, Q
from ..query.expressions import Aggregate, Case, Coalesce, Combined, Expression, F, Trunc
from ..query.kinds import ANY, INTEGER, LISTS, NUMBER, OBJECT
from ..query.lookups import LOOKUPS, noun
from ..query.tree import EVERYTHING, Arithmetic, Constant, Expr, Figure, Hop, Node, Not, Target
from ..query.walk import tests_in
from ..wire.resources import resource
from .operands import operand
from .paths import over, part_of_path, walk, words

if TYPE_CHECKING:
    from .namespace import Namespace


class _Path(Struct, frozen=True):
    """The relations that a figure goes over: their names, hops, and the model at each level, the first included."""

    names: tuple[str, ...] = ()
    hops: tuple[Hop, ...] = ()
    models: tuple[type[Model], ...] = ()


def figure(namespace: Namespace, item: Aggregate[Any]) -> Figure:
    """The figure of an aggregate, checked."""
    records = namespace.records or namespace
    path, value = _value(records, item)
    if not path.hops and namespace.records is None:
        raise FieldError(_of_one_record(item))
    value = _checked(item, value)
    where: list[Node] = [EVERYTHING] * (len(path.hops) + 1)
    if item.filter is not None:
        where = _levels(records, path, item.filter)
    made = Figure(
        item.function,
        value,
        path.hops,
        tuple(where),
        _hidden(path, where),
        # A record counts once anyhow.
        distinct=item.distinct and value is not None,
        path="__".join(path.names),
    )
    return replace(made, default=_default(item, made))


def _of_one_record(item: Aggregate[Any]) -> str:
    if item.name is None:
        return f"{item!r} needs a relation here: Count('tickets'). Of all records: aggregate(n=Count())."
    name = item.name if isinstance(item.name, str) else repr(item.name)
    return (
        f"{item!r} takes one figure of many records, and {name} is one value of each: use F({name!r}), "
        f"or aggregate() and group_by() for a figure of all records."
    )


# --- what is added up -----------------------------------------------------------------------------------


def _value(records: Namespace, item: Aggregate[Any]) -> tuple[_Path, Expr | None]:
    name = item.name
    if name is None:
        if item.function != "count":
            raise FieldError(f"{type(item).__name__}() needs a field: {type(item).__name__}('mrr').")
        return _Path(), None
    if isinstance(name, Field):
        return _Path(), records.value(name)
    if isinstance(name, F):
        name = name.name
    if isinstance(name, str):
        return _by_name(records, item, name)
    if not isinstance(name, Expression):
        raise FieldError(f"{type(item).__name__}() takes the name of a field or relation, or an expression.")
    shared = _shared_path(records, list(names_in(name)))
    return shared, records.within(shared.names, shared.models).value(name)


def _by_name(records: Namespace, item: Aggregate[Any], name: str) -> tuple[_Path, Expr | None]:
    if name in records.known:
        return _Path(), records.known[name]
    place = walk(records.model, words(name))
    if place.relation is not None and not place.rest:
        relation: Any = place.relation
        hop = relation.hop(place.owner)
        if hop.to_one and place.to_one:
            return _Path(), records.value(name)
        if item.function != "count":
            raise FieldError(f"{item!r} needs a field of those records: {type(item).__name__}('{name}__...').")
        return _path(records.model, (*place.names, relation.name)), None
    value = part_of_path(place)
    if value is None:
        raise FieldError(f"{name!r} is not a field of {records.model.__name__}: it cannot be compared or added up.")
    many = max((level + 1 for level, hop in enumerate(place.hops) if not hop.to_one), default=0)
    return _path(records.model, place.names[:many]), over(value, place.names[many:], place.hops[many:])


def _path(model: type[Model], names: tuple[str, ...]) -> _Path:
    hops: list[Hop] = []
    models = [model]
    for name in names:
        relation: Any = models[-1]._meta.relations[name]
        hops.append(relation.hop(models[-1]))
        models.append(relation.model)
    return _Path(names, tuple(hops), tuple(models))


def names_in(item: Any) -> Iterator[str]:
    """The names of fields in an expression."""
    match item:
        case F():
            yield item.name
        case Field():
            yield item.name
        case Combined():
            yield from names_in(item.left)
            yield from names_in(item.right)
        case Coalesce():
            for value in item.values:
                yield from [value] if isinstance(value, str) else names_in(value)
        case Trunc():
            yield from [item.of_value] if isinstance(item.of_value, str) else names_in(item.of_value)
        case Case():
            for branch in item.branches:
                yield from [branch.then] if isinstance(branch.then, str) else names_in(branch.then)
            yield from [item.default] if isinstance(item.default, str) else names_in(item.default)


def _shared_path(records: Namespace, names: list[str]) -> _Path:
    """The relations to many that all names of an expression go over."""
    paths = set()
    for name in names:
        place = None if name in records.known else walk(records.model, words(name))
        hops = place.hops if place is not None else ()
        many = max((level + 1 for level, hop in enumerate(hops) if not hop.to_one), default=0)
        paths.add(place.names[:many] if place is not None else ())
    if len(paths) > 1:
        raise FieldError(f"One figure is about one relation: {', '.join(names)} are of several.")
    return _path(records.model, next(iter(paths), ()))


def _checked(item: Aggregate[Any], value: Expr | None) -> Expr | None:
    word = type(item).__name__
    if value is None:
        return None
    kind = value.kind
    if item.function in ("sum", "avg"):
        if kind is ANY:
            # Only the numbers among values of any type add up.
            return Arithmetic("+", value, Constant(0.0, NUMBER))
        if kind not in (NUMBER, INTEGER):
            raise FieldError(f"{word} needs a field of numbers; {value.name} holds {noun(kind)}.")
    if kind in (*LISTS, OBJECT) and (item.function != "count" or item.distinct):
        what = "has no order" if item.function in ("min", "max") else "is no single value"
        raise FieldError(f"{value.name} {what}: it holds {noun(kind)}.")
    return value


def _default(item: Aggregate[Any], made: Figure) -> Constant | None:
    if item.default is None:
        return None
    if item.function == "count":
        raise FieldError(f"{item!r}: a count of nothing is 0, it takes no default.")
    return Constant(operand(made.kind, "exact", item.default, "default"), made.kind)


def _hidden(path: _Path, where: list[Node]) -> tuple[bool, ...]:
    return tuple(asks_for_hidden(hop.resource, there) for hop, there in zip(path.hops, where[1:], strict=True))


def asks_for_hidden(name: str, where: Node) -> bool:
    """Whether a condition tests the very field that hides records from Planhat's lists."""
    param = resource(name).hidden_by
    if param is None:
        return False
    return any(isinstance(test.target, Target) and test.target.keys == (param.hides,) for test in tests_in(where))


# --- filter= --------------------------------------------------------------------------------------------


def _levels(records: Namespace, path: _Path, condition: Q) -> list[Node]:
    """The condition of a figure by the level that each part is about: the record itself, or those behind a hop."""
    if not path.hops:
        return [records.condition(condition)]
    found = _by_level(records, path, condition)
    return [conjunction(found.get(level, [])) for level in range(len(path.hops) + 1)]


def _by_level(records: Namespace, path: _Path, condition: Q) -> dict[int, list[Node]]:
    if isinstance(condition, Exists):
        level, rest = _level(path, tuple(condition.relation.split("__")))
        inner = Exists("__".join(rest), condition.inner)
        return {level: [records.at(level, path.models).condition(inner)]}
    parts = [
        _by_level(records, path, child) if isinstance(child, Q) else _leaf(records, path, child[0], child[1])
        for child in condition.children
    ]
    if condition.connector == "and" and not condition.negated:
        joined: dict[int, list[Node]] = {}
        for part in parts:
            for level, nodes in part.items():
                joined.setdefault(level, []).extend(nodes)
        return joined
    levels = {level for part in parts for level in part}
    if len(levels) > 1:
        raise FieldError(
            f"filter={condition!r} mixes conditions on several relations under | or ~: make it one figure for each, "
            "or move the condition into filter()."
        )
    nodes = [conjunction(found) for part in parts for found in part.values()]
    node = disjunction(nodes) if condition.connector == "or" else conjunction(nodes)
    return {level: [Not(node) if condition.negated else node] for level in levels or {0}}


def _leaf(records: Namespace, path: _Path, steps: tuple[Any, ...], value: Any) -> dict[int, list[Node]]:
    if isinstance(steps[0], Expression):
        names = [*names_in(steps[0]), *names_in(value)]
        shared = {_level(path, words(name))[0] for name in names}
        if len(shared) > 1:
            raise FieldError(
                f"A condition of a figure compares values of one record: {', '.join(names)} are of several."
            )
        level = next(iter(shared), 0)
        namespace = records.within(path.names[:level], path.models[: level + 1])
        return {level: [namespace.condition(Q._of(((steps, value),)))]}
    level, rest = _level(path, steps)
    namespace = records.at(level, path.models)
    if isinstance(value, Expression):
        namespace = records.within(path.names[:level], path.models[: level + 1])
        rest = steps
    return {level: [namespace.condition(Q._of(((rest, value),)))]}


def _level(path: _Path, steps: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """How many of the figure's relations a path begins with, and how it goes on from there."""
    level = 0
    while level < len(path.names) and level < len(steps) and steps[level] == path.names[level]:
        level += 1
    rest = steps[level:]
    if level and (
        not rest or (len(rest) == 1 and rest[0] in LOOKUPS and rest[0] not in path.models[level]._meta.names)
    ):
        # A condition on the relation: on the record itself, or whether there is any.
        return (level - 1, steps[level - 1 :]) if rest == ("isnull",) else (level, ("id", *rest))
    return level, rest
