"""From what a user writes as a value, `F("mrr") * 12` or `Count("tickets")`, to an expression tree."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ..errors import FieldError, ValidationError
from ..fields.base import Field
from ..names import did_you_mean, quoted
from ..query.expressions import (
    Aggregate,
    Case,
    Coalesce,
    Combined,
    Expression,
    F,
    Trunc,
    Value,
)
from ..query.kinds import ANY, BOOLEAN, DATETIME, DAY, ID, INTEGER, LISTS, NUMBER, OBJECT, REF, TEXT, Kind
from ..query.lookups import noun
from ..query.moments import Moment, Relative, Span
from ..query.tree import Arithmetic, Constant, Expr, Target
from ..query.tree import Case as CaseTree
from ..query.tree import Coalesce as CoalesceTree
from ..query.tree import Trunc as TruncTree
from . import figures
from .operands import operand
from .paths import not_a_value, over, part_of_path, walk, words

if TYPE_CHECKING:
    from .namespace import Namespace

_NUMBERS = (NUMBER, INTEGER, ANY)
_DATES = (DATETIME, DAY)
_FAMILIES = ((TEXT, ID, REF), (NUMBER, INTEGER), (BOOLEAN,), (DATETIME,), (DAY,))


def by_name(namespace: Namespace, name: str) -> Expr:
    """The value that a name stands for: an annotation, a field, or one over relations that lead to one record."""
    if name in namespace.known:
        return namespace.known[name]
    if namespace.records is not None:
        return _of_group(namespace, name)
    if not name:
        raise FieldError(f"A value needs the name of a field of {namespace.model.__name__}, not an empty text.")
    place = walk(namespace.model, namespace.stripped(words(name)))
    found = part_of_path(place)
    if found is None and place.relation is not None and not place.rest:
        found = _reference(namespace, name, place)
    if found is None:
        raise not_a_value(namespace.model, name)
    if not place.to_one:
        raise FieldError(
            f"{name!r} meets many values for one {namespace.model.__name__}: take one figure of them, such as "
            f"Min({name!r}) or Max({name!r}), or ask for them with Exists({'__'.join(place.names)!r}, ...)."
        )
    return over(found, place.names, place.hops)


def _reference(namespace: Namespace, name: str, place: Any) -> Expr | None:
    """A relation to one record as a value: the id that refers to it."""
    relation = place.relation
    if relation.via not in place.owner._meta.fields or not relation.hop(place.owner).to_one:
        raise FieldError(
            f"{name!r} meets many records for one {namespace.model.__name__}: count them with Count({name!r})."
        )
    field = place.owner._meta.fields[relation.via]
    return Target(relation.name, field.keys, field.kind)


def _of_group(namespace: Namespace, name: str) -> Expr:
    known = ", ".join(sorted(namespace.known)) or "none"
    try:
        by_name(namespace.records or namespace, name)
    except FieldError:
        raise FieldError(f"There is no {name!r} in these groups.{did_you_mean(name, namespace.known)}") from None
    raise FieldError(
        f"{name!r} has many values in a group: group by it, or take one figure of it, such as Sum({name!r}). "
        f"Known here: {known}."
    )


def resolved(namespace: Namespace, item: Any) -> Expr:
    """The tree of an expression, a field of the class, or a plain value."""
    match item:
        case F():
            return by_name(namespace, item.name)
        case Field():
            return by_name(namespace, own_name(namespace, item))
        case Aggregate():
            return figures.figure(namespace, item)
        case Combined():
            return _arithmetic(namespace, item)
        case Value():
            return constant(item.value)
        case Coalesce():
            return _coalesce(namespace, item)
        case Case():
            return _case(namespace, item)
        case Trunc():
            of = namespace.value(item.of_value)
            if of.kind not in _DATES:
                raise FieldError(f"Trunc() takes a moment or a day; {of.name} holds {noun(of.kind)}.")
            return TruncTree(item.unit, of)
        case Expression():
            raise FieldError(f"{quoted(item)} is no value that can be worked out.")
    return constant(item)


def own_name(namespace: Namespace, field: Field[Any]) -> str:
    """`Company.arr` as a name: that field of the same record."""
    if namespace.model._meta.fields.get(field.name) is not field:
        raise FieldError(
            f"{field!r} is a field of another model: two fields of one {namespace.model.__name__} can be compared."
        )
    return field.name


def constant(value: Any) -> Constant:
    """A plain value."""
    kind = _kind_of(value)
    if isinstance(value, Span):
        value = Moment("now", (value,))
    if isinstance(value, Moment):
        return Constant(Relative(value, DATETIME), DATETIME)
    try:
        return Constant(operand(kind, "exact", value, "value"), kind)
    except ValidationError as wrong:
        raise FieldError(str(wrong)) from None


def _kind_of(value: Any) -> Kind:
    for type_, kind in (
        (bool, BOOLEAN), ((int, float), NUMBER), (str, TEXT), ((datetime, Moment, Span), DATETIME), (date, DAY)
    ):  # fmt: skip
        if isinstance(value, type_):
            return kind
    raise FieldError(
        f"{quoted(value)} is no value here: give a text, a number, True or False, a date or an expression."
    )


# --- arithmetic -----------------------------------------------------------------------------------------


def _arithmetic(namespace: Namespace, item: Combined) -> Expr:
    if isinstance(item.right, Span) or isinstance(item.left, Span):
        return _shifted(namespace, item)
    left, right = _side(namespace, item.left), _side(namespace, item.right)
    left, right = _alike(left, item.left, right.kind), _alike(right, item.right, left.kind)
    if left.kind in _NUMBERS and right.kind in _NUMBERS:
        return Arithmetic(item.op, left, right)
    if left.kind in _DATES and left.kind is right.kind and item.op == "-":
        return Arithmetic("-", left, right)
    if left.kind in _DATES and right.kind in _NUMBERS and item.op in ("+", "-"):
        return Arithmetic(item.op, left, right, left.kind)
    if right.kind in _DATES and left.kind in _NUMBERS and item.op == "+":
        return Arithmetic("+", right, left, right.kind)
    raise FieldError(
        f"{item!r} cannot be worked out: {left.name} holds {noun(left.kind)}, {right.name} {noun(right.kind)}."
    )


def _side(namespace: Namespace, item: Any) -> Expr:
    """One side of an operation: a text there is a text, not a name."""
    return constant(item) if isinstance(item, str) else resolved(namespace, item)


def _alike(expr: Expr, given: Any, other: Kind) -> Expr:
    """A date that is given as such, in the kind of the other side."""
    if isinstance(expr, Constant) and other in _DATES and expr.kind in _DATES and expr.kind is not other:
        value = given.value if isinstance(given, Value) else given
        return Constant(operand(other, "exact", value, "value"), other)
    return expr


def _shifted(namespace: Namespace, item: Combined) -> Expr:
    """A moment and a span: days are added; months of a field would have to be clamped record by record."""
    value, span = (item.left, item.right) if isinstance(item.right, Span) else (item.right, item.left)
    if not isinstance(span, Span) or isinstance(value, Span) or item.op not in ("+", "-"):
        raise FieldError(f"{item!r} cannot be worked out: a span is added to a moment, or taken from one.")
    if span.months:
        raise FieldError(f"{item!r}: months differ in length; add days(n) to a field, or move the other side.")
    moment = resolved(namespace, value)
    if moment.kind not in _DATES:
        raise FieldError(f"{item!r}: {moment.name} holds {noun(moment.kind)}, and only a moment or day can be moved.")
    days = Constant((span.days * 86400 + span.seconds) / 86400, NUMBER)
    return Arithmetic(item.op, moment, days, moment.kind)


# --- choices --------------------------------------------------------------------------------------------


def _coalesce(namespace: Namespace, item: Coalesce) -> Expr:
    values = tuple(namespace.value(value) for value in item.values)
    return CoalesceTree(values, common_kind(values, item))


def _case(namespace: Namespace, item: Case) -> Expr:
    branches = tuple((namespace.condition(branch.condition), namespace.value(branch.then)) for branch in item.branches)
    default = None if item.default is None else namespace.value(item.default)
    values = [value for _, value in branches] + ([] if default is None else [default])
    return CaseTree(branches, default, common_kind(tuple(values), item))


def common_kind(values: tuple[Expr, ...], item: Any) -> Kind:
    """The kind of a value that is one of several."""
    kinds = {value.kind for value in values}
    wrong = next((value for value in values if value.kind in (*LISTS, OBJECT)), None)
    if wrong is not None:
        raise FieldError(f"{item!r}: {wrong.name} holds {noun(wrong.kind)}, which is no single value.")
    if ANY in kinds:
        return ANY
    for family, kind in zip(_FAMILIES, (TEXT, NUMBER, BOOLEAN, DATETIME, DAY), strict=True):
        if kinds <= set(family):
            return next(iter(kinds)) if len(kinds) == 1 else kind
    first, second = sorted(kinds, key=lambda kind: kind.name)[:2]
    raise FieldError(f"{item!r} would hold {noun(first)} in one record and {noun(second)} in another.")


def comparable(left: Kind, right: Kind) -> bool:
    """Whether values of two kinds can be equal; those of an undeclared custom field may be anything."""
    if any(kind in (*LISTS, OBJECT) for kind in (left, right)):
        return False
    return ANY in (left, right) or any(left in family and right in family for family in _FAMILIES)
