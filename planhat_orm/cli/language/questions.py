"""From the text of a question to conditions and values of the library: the same names, lookups and errors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from lark import Token, Tree

from ...errors import FieldError
from ...names import did_you_mean
from ...query.conditions import Exists, Q
from ...query.expressions import Avg, Coalesce, Count, Expression, F, Max, Min, Sum, Trunc, Value
from ...query.lookups import LOOKUPS
from ...queryset.paths import kind_at
from .grammar import parsed
from .values import Plain, as_kind, is_whole_day, moved, plain, unquoted

_OPS = {"=": "exact", "==": "exact", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "~": "icontains"}
_MIRRORED = {"lt": "gt", "lte": "gte", "gt": "lt", "gte": "lte", "exact": "exact"}
_SIGNS = {
    "exact": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "in": "in (...)", "isnull": "is missing",
    "range": "between ... and ...", "regex": "matches", "iregex": "imatches", "iexact": "=",
    "overlap": "overlaps (...)",
}  # fmt: skip
_PARTS = {
    "year": "year", "quarter": "quarter", "month": "month", "week": "week", "day": "day", "weekday": "week_day",
    "hour": "hour", "date": "date",
}  # fmt: skip
_FIGURES = {"count": Count, "distinct": Count, "sum": Sum, "avg": Avg, "min": Min, "max": Max}


_PLAIN_PATH = re.compile(r"[\w.]+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a question: what it is called, and its path or expression."""

    name: str
    value: str | Expression[Any]


@dataclass(frozen=True, slots=True)
class Path:
    """A path with what stands in brackets behind its steps, by the number of steps before it."""

    steps: tuple[str, ...]
    inside: tuple[tuple[int, Tree[Token]], ...]
    source: str

    @property
    def name(self) -> str:
        """The path as the library writes it."""
        return "__".join(self.steps)


def condition(model: type[Any], text: str, known: Iterable[str] = ()) -> Q:
    """The condition that a text says of records of a model, or of groups whose values are called as in `known`."""
    return _Builder(model, text, frozenset(known)).condition(parsed(text, "start").children[0])


def columns(model: type[Any], text: str) -> list[Column]:
    """The columns that a text names, with commas between them."""
    builder = _Builder(model, text, frozenset())
    return [builder.column(tree) for tree in parsed(text, "columns").children if isinstance(tree, Tree)]


def items(texts: Iterable[str] | None) -> list[str]:
    """The parts of texts between commas, those in quotes and brackets left whole."""
    found: list[str] = []
    for text in texts or ():
        depth, mark, start = 0, "", 0
        for place, sign in enumerate(text):
            if mark:
                mark = "" if sign == mark else mark
            elif sign in "'\"":
                mark = sign
            elif sign in "([":
                depth += 1
            elif sign in ")]":
                depth -= 1
            elif sign == "," and not depth:
                found.append(text[start:place])
                start = place + 1
        found.append(text[start:])
    return [item.strip() for item in found if item.strip()]


class _Builder:
    """Walks a tree, knowing whose records it is about.

    `prefix` are the relations of a figure whose `filter=` is written: its names begin at the figure's own record.
    """

    def __init__(self, model: type[Any], text: str, known: frozenset[str], prefix: tuple[str, ...] = ()) -> None:
        self.model, self.text, self.known, self.prefix = model, text, known, prefix

    def _of(self, model: type[Any], prefix: tuple[str, ...] = ()) -> _Builder:
        return _Builder(model, self.text, frozenset(), prefix)

    def _source(self, tree: Tree[Token]) -> str:
        return self.text[tree.meta.start_pos : tree.meta.end_pos]

    def column(self, tree: Tree[Token]) -> Column:
        """A column: `name`, `owner.nick_name`, or `n:count(tickets)`."""
        *named, value = tree.children
        assert isinstance(value, Tree)
        name = str(named[0]) if named else self._source(value)
        made = self.value(value)
        if value.data == "path" and not named and isinstance(made, Path) and not _PLAIN_PATH.fullmatch(name):
            name = ".".join(made.steps)  # as a file that is pushed names it, without quotes
        elif value.data == "text" and not named and isinstance(made, Plain):
            name = made.source
        if isinstance(made, Path) and not made.inside:
            return Column(name, F(made.name) if named else name if _PLAIN_PATH.fullmatch(name) else made.name)
        return Column(name, self._expression(made))

    # --- conditions -------------------------------------------------------------------------------------

    def condition(self, tree: Any) -> Q:
        """The condition of a tree."""
        parts = tree.children
        match tree.data:
            case "or_":
                return reduce(lambda left, right: left | right, map(self.condition, parts))
            case "and_":
                return reduce(lambda left, right: left & right, map(self.condition, parts))
            case "negated":
                return ~self.condition(parts[1])
            case "compare":
                return self._compare(parts[0], str(parts[1]), parts[2])
            case "among" | "overlaps":
                return self._negated(parts, self._listed(parts[0], tree.data, parts[-1]))
            case "word":
                word = str(parts[-2]).lower().replace("matches", "regex")
                return self._negated(parts[:-2], self._test(self.value(parts[0]), word, self._text(parts[-1])))
            case "missing":
                return self._negated(parts[:-1], self._test(self.value(parts[0]), "isnull", True))
            case "between":
                ends = [self.value(parts[-2]), self.value(parts[-1])]
                return self._negated(parts[:-2], self._among(self.value(parts[0]), "range", ends))
        return self._bare(self.value(tree))

    @staticmethod
    def _negated(parts: list[Any], made: Q) -> Q:
        return ~made if any(isinstance(part, Token) and part.type == "NOT" for part in parts) else made

    def _bare(self, value: Any) -> Q:
        """A condition without a comparison: a field that is true, or a relation that has records."""
        if not isinstance(value, Path):
            raise FieldError(f"{self.text!r} is no condition. Write field=value, such as status=customer.")
        if value.inside:
            return self._at(value, lambda builder, rest: builder._bare(rest))
        relation = self._relation(value.steps)
        if relation is not None:
            return Exists(self._named(value.steps)) if not self.prefix else ~self._q(value, "isnull", True)
        if kind_at(self.model, value.name) is None and value.name not in self.known and len(value.steps) == 1:
            raise FieldError(
                f"{value.source!r} is no condition. Write field=value, such as status=customer."
                f"{did_you_mean(value.name, self.model._meta.names)}"
            )
        return self._q(value, "exact", True)

    def _compare(self, left_tree: Any, sign: str, right_tree: Any) -> Q:
        left, right = self.value(left_tree), self.value(right_tree)
        negated = sign in ("!=", "<>")
        op = "exact" if negated else _OPS[sign]
        if isinstance(left, Plain) and not isinstance(right, Plain):
            if op not in _MIRRORED:
                raise FieldError(f"{sign} needs the field on its left.")
            left, right, op = right, left, _MIRRORED[op]
        elif isinstance(right, Path) and not self._is_field(right):
            right = Plain(right.source, right.source)
        made = self._test(left, op, right)
        return ~made if negated else made

    def _is_field(self, path: Path) -> bool:
        """Whether a word at the right is a field; one that is none is a text."""
        if path.inside or path.name in self.known:
            return True
        return kind_at(self.model, path.name) is not None

    def _listed(self, left: Any, data: str, listed: Tree[Token]) -> Q:
        values = [self.value(item) for item in listed.children]
        return self._among(self.value(left), "in" if data == "among" else "overlap", values)

    def _among(self, left: Any, op: str, values: list[Any]) -> Q:
        plains = [Plain(value.source, value.source) if isinstance(value, Path) else value for value in values]
        if not all(isinstance(item, Plain) for item in plains):
            raise FieldError(f"{self.text!r}: a list, and the ends of between, hold plain values.")
        return self._test(left, op, plains)

    def _text(self, tree: Any) -> Any:
        value = self.value(tree)
        return Plain(value.source, value.source) if isinstance(value, Path) else value

    def _test(self, left: Any, op: str, right: Any) -> Q:
        """One comparison; `right` is a plain value, several of them, or a value that is worked out."""
        if isinstance(left, Path) and left.inside:
            return self._at(left, lambda builder, rest: builder._test(rest, op, right))
        if isinstance(left, Plain):
            raise FieldError(f"{left.source} is no field: a comparison needs one.")
        kind = kind_at(self.model, left.name) if isinstance(left, Path) and left.name not in self.known else None
        several = right if isinstance(right, list) else [right]
        if isinstance(left, Path) and all(isinstance(item, Plain) for item in several):
            if op in ("exact", "lt", "lte", "gt", "gte", "in", "range") and is_whole_day(several, kind):
                left = Path((*left.steps, "date"), (), left.source)
            values = [as_kind(item, kind, left.source) for item in several]
            return self._q(left, op, values if isinstance(right, list) else values[0])
        if isinstance(left, Path):
            return self._q(left, op, right if isinstance(right, bool) else self._expression(right))
        value: Any = right
        if isinstance(right, list):
            value = [item.value for item in right]
        elif isinstance(right, Plain):
            value = right.value
        elif not isinstance(right, bool):
            value = self._expression(right)
        return Q._of((((left, op), value),))

    def _q(self, path: Path, op: str, value: Any) -> Q:
        return Q._of((((*self.prefix, *path.steps, *(() if op == "exact" else (op,))), value),))

    def _at(self, path: Path, rest: Any) -> Q:
        """A condition on one record behind a relation: what stands in the brackets, and what follows them."""
        (count, inside), *others = path.inside
        relation = self._relation(path.steps[:count])
        if relation is None:
            raise FieldError(f"{'.'.join(path.steps[:count])} is no relation of {self.model.__name__}.")
        builder = self._of(relation.model)
        condition = builder.condition(inside)
        if path.steps[count:]:
            following = tuple((number - count, tree) for number, tree in others)
            condition &= rest(builder, Path(path.steps[count:], following, path.source))
        return Exists(self._named(path.steps[:count]), condition)

    def _named(self, steps: tuple[str, ...]) -> str:
        return "__".join((*self.prefix, *steps))

    def _relation(self, steps: tuple[str, ...]) -> Any:
        """The relation that a path leads to, or None."""
        model, relation = self.model, None
        for step in steps:
            relation = model._meta.relations.get(step)
            if relation is None:
                return None
            model = relation.model
        return relation

    # --- values -----------------------------------------------------------------------------------------

    def value(self, tree: Any) -> Any:
        """A `Plain`, a `Path`, or an expression."""
        source = self._source(tree)
        found = plain(tree, source)
        if found is not None:
            return found
        match tree.data:
            case "path":
                return self._path(tree, source)
            case "call":
                return self._call(str(tree.children[0]).lower(), tree.children[1:], source)
            case "plus":
                return self.value(tree.children[0])
            case "minus":
                inside = self.value(tree.children[0])
                if isinstance(inside, Plain):
                    return Plain(-inside.value, source)
                return -self._expression(inside)
            case "arithmetic":
                return self._arithmetic(tree, source)
        raise FieldError(f'{source!r} is a condition, which stands behind the model: Company "{source}".')

    def _path(self, tree: Tree[Token], source: str) -> Path:
        steps: list[str] = []
        inside: list[tuple[int, Tree[Token]]] = []
        for step in tree.children:
            assert isinstance(step, Tree)
            name = str(step.children[0])
            if step.data == "label":
                steps.append(unquoted(name))
                continue
            steps += self._steps(name, source)
            if len(step.children) > 1:
                inside.append((len(steps), step.children[1]))  # type: ignore[arg-type]
        return Path(tuple(steps), tuple(inside), source)

    def _steps(self, name: str, source: str) -> list[str]:
        """A step of a path; of several, as the library writes them, the last may be no lookup."""
        if name in self.known or "__" not in name:
            return [name]
        *words, last = name.split("__")
        if last in LOOKUPS and last not in _PARTS.values() and kind_at(self.model, name) is None:
            sign = _SIGNS.get(last, last)
            raise FieldError(f"{name} says {sign}: write {'.'.join(words)} {sign} ..., as in mrr >= 1000.")
        return [*words, last]

    def _expression(self, value: Any) -> Any:
        """A value as the library's expressions take it."""
        if isinstance(value, Plain):
            return value.value
        if isinstance(value, Path):
            if value.inside:
                raise FieldError(f"{value.source} meets many records: take one figure of them, such as max(...).")
            return F("__".join((*self.prefix, *value.steps)))
        return value

    def _arithmetic(self, tree: Tree[Token], source: str) -> Any:
        left, op, right = self.value(tree.children[0]), str(tree.children[1]), self.value(tree.children[2])
        if isinstance(left, Plain) and isinstance(right, Plain):
            return moved(op, left, right, source)
        one, other = self._expression(left), self._expression(right)
        match op:
            case "+":
                return one + other
            case "-":
                return one - other
            case "*":
                return one * other
        return one / other

    def _call(self, function: str, arguments: list[Any], source: str) -> Any:
        if function in _FIGURES:
            return self._figure(function, arguments, source)
        if function in _PARTS:
            value = self.value(arguments[0]) if len(arguments) == 1 else None
            if not isinstance(value, Path) or value.inside:
                raise FieldError(f"{function}() takes one field, such as {function}(renewal_date).")
            return Path((*value.steps, _PARTS[function]), (), source)
        values = [self.value(argument) for argument in arguments]
        if function == "trunc":
            unit = values[1] if len(values) == 2 else None
            name = unit.source if isinstance(unit, (Path, Plain)) else ""
            if not name:
                raise FieldError("trunc() takes a field and a unit: trunc(renewal_date, 'month').")
            return Trunc(self._expression(values[0]), name)  # type: ignore[arg-type]
        return Coalesce(*(self._operand(value) for value in values))

    def _operand(self, value: Any) -> Any:
        return Value(value.value) if isinstance(value, Plain) else self._expression(value)

    def _figure(self, function: str, arguments: list[Any], source: str) -> Expression[Any]:
        kind: Any = _FIGURES[function]
        if function == "count" and (not arguments or arguments[0].data == "everything"):
            return Count()
        if len(arguments) != 1:
            raise FieldError(f"{function}() takes one value, such as {function}(licenses.mrr).")
        inner = _FigureBuilder(self.model, self.text, self.known, self.prefix)
        value = inner.value(arguments[0])
        name = value.name if isinstance(value, Path) else inner._expression(value)
        filter = reduce(lambda left, right: left & right, inner.filters) if inner.filters else None
        return kind(name, filter=filter, distinct=function == "distinct")  # type: ignore[no-any-return]


class _FigureBuilder(_Builder):
    """What a figure is taken of: brackets in it are the figure's `filter=`."""

    def __init__(self, model: type[Any], text: str, known: frozenset[str], prefix: tuple[str, ...] = ()) -> None:
        super().__init__(model, text, known, prefix)
        self.filters: list[Q] = []

    def _path(self, tree: Tree[Token], source: str) -> Path:
        path = super()._path(tree, source)
        for count, inside in path.inside:
            relation = self._relation(path.steps[:count])
            if relation is None:
                raise FieldError(f"{'.'.join(path.steps[:count])} is no relation of {self.model.__name__}.")
            builder = self._of(relation.model, (*self.prefix, *path.steps[:count]))
            self.filters.append(builder.condition(inside))
        return Path(path.steps, (), source)
