"""A plugin of mypy: names in `filter(mmr__gte=1)` are checked, and what `annotate()` adds has its type. Opt-in.

In `pyproject.toml`: `[tool.mypy]`, `plugins = ["planhat_orm.mypy_plugin"]`. Names of models are looked up by
the very function that `filter()` uses; those that a subclass declares are read off the class. Custom fields by label
(`custom__Tier`) are the account's, so they are not checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mypy.types  # noqa: F401  # before the modules that it is in a circle with
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import Context, Expression, StrExpr, TypeInfo, Var
from mypy.plugin import MethodContext, Plugin
from mypy.types import AnyType, Instance, ProperType, TupleType, Type, TypeOfAny, TypeVarType, get_proper_type

from . import runtime
from .errors import FieldError
from .query.dates import PARTS
from .query.lookups import COMPARISONS, LOOKUPS, check_lookup
from .queryset import QuerySet  # noqa: F401  # it makes the models known
from .queryset.paths import walk

_QUERYSET = "planhat_orm.queryset.queryset.QuerySet"
_MODEL = "planhat_orm.models.base.Model"
_EXPRESSION = "planhat_orm.query.expressions.Expression"
_FIELD = "planhat_orm.fields.base.Field"
_ONE = "planhat_orm.fields.relations.One"
_HELD = "annotated "
"""Before the name of an annotation that a queryset has: no attribute is called so."""
_FILTERS = {"filter", "exclude", "get", "aget", "get_or_none", "aget_or_none"}


class PlanhatPlugin(Plugin):
    """What mypy asks."""

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """The hook of a method of querysets."""
        home, _, name = fullname.rpartition(".")
        hook = _filtered if name in _FILTERS else {"annotate": _annotated, "values_list": _values}.get(name)
        return hook if hook is not None and self._is_queryset(home) else None

    def _is_queryset(self, fullname: str) -> bool:
        if fullname == _QUERYSET:
            return True
        symbol = self.lookup_fully_qualified(fullname)
        return symbol is not None and isinstance(symbol.node, TypeInfo) and symbol.node.has_base(_QUERYSET)


def plugin(version: str) -> type[Plugin]:
    """What mypy calls first."""
    return PlanhatPlugin


# --- names in conditions --------------------------------------------------------------------------------


def _filtered(ctx: MethodContext) -> Type:
    model = _model(ctx.type)
    if model is not None:
        annotated = {*_extra(model), *(name.removeprefix(_HELD) for name in _extra(get_proper_type(ctx.type)))}
        for name, _, expression in _keywords(ctx, "lookups"):
            problem = _problem(model, name, annotated)
            if problem is not None:
                ctx.api.fail(problem, expression)
    return ctx.default_return_type


def _keywords(ctx: MethodContext, formal: str) -> Iterator[tuple[str, Type, Context]]:
    """The keyword arguments that a formal `**kwargs` takes: their names, types and places."""
    if formal not in ctx.callee_arg_names:
        return
    place = ctx.callee_arg_names.index(formal)
    for name, type_, expression in zip(ctx.arg_names[place], ctx.arg_types[place], ctx.args[place], strict=True):
        if name is not None:
            yield name, type_, expression


def _extra(type_: ProperType) -> set[str]:
    """The names of what was added to a type."""
    return set(type_.extra_attrs.attrs) if isinstance(type_, Instance) and type_.extra_attrs is not None else set()


def _problem(model: Instance, name: str, annotated: set[str]) -> str | None:
    """What is wrong with the name of a lookup."""
    first, *rest = name.split("__")
    known, own = _declared(model.type)
    if first in annotated or first in own or known is None:
        last = rest[-1] if rest else ""
        return None if not rest or first in own or last in LOOKUPS or last in PARTS else f"{last!r} is no lookup."
    if "custom" in (first, *rest):
        return None
    try:
        place = walk(known, (first, *rest))
        if place.value is not None and place.rest:
            check_lookup(place.value.kind, place.rest[0], first)
            if place.rest[0] in PARTS and not COMPARISONS.issuperset(place.rest[1:]):
                return f"{name} ends with no comparison."
    except FieldError as wrong:
        return str(wrong)
    return None


def _declared(info: TypeInfo) -> tuple[Any, set[str]]:
    """The model of the library that a class is of, and the names that subclasses of it add."""
    own: set[str] = set()
    for base in info.mro:
        known = runtime.classes.get((base.module_name, base.fullname.removeprefix(f"{base.module_name}.")))
        if known is not None:
            return known, own
        own.update(base.names)
    return None, own


def _model(type_: Type) -> Instance | None:
    """The model of a queryset."""
    queryset = _as(type_, _QUERYSET)
    found = get_proper_type(queryset.args[0]) if queryset is not None and queryset.args else None
    return found if isinstance(found, Instance) and found.type.has_base(_MODEL) else None


def _as(type_: Type, fullname: str) -> Instance | None:
    """A type as an instance of one of its bases."""
    proper = get_proper_type(type_)
    if isinstance(proper, TypeVarType):
        proper = get_proper_type(proper.upper_bound)
    if not isinstance(proper, Instance) or not proper.type.has_base(fullname):
        return None
    base = next(base for base in proper.type.mro if base.fullname == fullname)
    return map_instance_to_supertype(proper, base)


# --- types of values ------------------------------------------------------------------------------------


def _annotated(ctx: MethodContext) -> Type:
    """The queryset whose records have the values as attributes; that of a class of its own knows the names only."""
    found, model = get_proper_type(ctx.default_return_type), _model(ctx.type)
    if model is None or not isinstance(found, Instance):
        return ctx.default_return_type
    for name, type_, _ in _keywords(ctx, "values"):
        model = model.copy_with_extra_attr(name, _value_of(type_))
        found = found.copy_with_extra_attr(_HELD + name, AnyType(TypeOfAny.special_form))
    return found.copy_modified(args=[model]) if found.args else found


def _value_of(type_: Type) -> Type:
    for fullname in (_EXPRESSION, _FIELD):
        held = _as(type_, fullname)
        if held is not None and held.args:
            return held.args[0]
    return AnyType(TypeOfAny.special_form)


def _values(ctx: MethodContext) -> Type:
    """Rows of `values_list("name", "mrr")`: tuples of the types of fields, as with the fields themselves."""
    found, model = get_proper_type(ctx.default_return_type), _model(ctx.type)
    names = ctx.args[ctx.callee_arg_names.index("names")] if "names" in ctx.callee_arg_names else []
    options = [get_proper_type(kind) for place in _options(ctx) for kind in ctx.arg_types[place]]
    if model is None or not isinstance(found, Instance) or not names or options:
        return ctx.default_return_type
    cells = [_cell(model, name) for name in names]
    row = TupleType(cells, ctx.api.named_generic_type("builtins.tuple", [AnyType(TypeOfAny.special_form)]))
    return found.copy_modified(args=[row])


def _options(ctx: MethodContext) -> list[int]:
    return [ctx.callee_arg_names.index(name) for name in ("flat", "named") if name in ctx.callee_arg_names]


def _cell(model: Instance, name: Expression) -> Type:
    unknown: ProperType = AnyType(TypeOfAny.special_form)
    if not isinstance(name, StrExpr):
        return unknown
    held: Type = model
    for step in name.value.split("__"):
        proper = get_proper_type(held)
        if not isinstance(proper, Instance):
            return unknown
        if proper.extra_attrs is not None and step in proper.extra_attrs.attrs:
            held = proper.extra_attrs.attrs[step]
            continue
        symbol = proper.type.get(step)
        declared = symbol.node.type if symbol is not None and isinstance(symbol.node, Var) else None
        field = _as(declared, _FIELD) or _as(declared, _ONE) if declared is not None else None
        if field is None or not field.args:
            return unknown
        held = field.args[0]
    return held
