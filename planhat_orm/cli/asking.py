"""What `planhat query` is told, as a queryset: conditions in two spellings, columns, figures, groups, an order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import FieldError, ValidationError
from ..models.base import Model
from ..query.conditions import Q
from ..query.dates import PARTS
from ..query.expressions import Expression, F
from ..query.lookups import LOOKUPS
from ..queryset import Groups, QuerySet
from . import conditions, language
from .question_error import QuestionError

_WORD = re.compile(r"[\w. ]+!?")
_LABEL = re.compile(r"(?:[\w.]+(?:\.|__))?custom(?:\.|__)(?=.*[-&])(?:[\w. ]|(?<=\w)[-&](?=\w))+!?")
"""A custom field whose label holds such signs, as in `custom.Go-live`; a difference has blanks around its sign."""
_NAMED = re.compile(r"[^\W\d]\w*")
_JOINED = re.compile(r"\s(and|or)\s", re.IGNORECASE)
FIGURES = ("sum", "avg", "min", "max")


@dataclass(frozen=True, slots=True)
class Question:
    """The words of a question; `figures` are words such as `sum` with what they are taken of."""

    conditions: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()
    count: bool = False
    having: tuple[str, ...] = ()


def condition(model: type[Model], text: str) -> Q:
    """The condition of one argument: as the library spells it (`mrr__gte=1000`), or in the language of questions."""
    head, sign, rest = text.partition("=")
    if sign and not rest.startswith("=") and _LABEL.fullmatch(head) is not None:
        if _JOINED.search(rest):
            raise FieldError(f"{head.strip()}=... is a condition of its own: in a longer one, quote the label.")
        return conditions.condition(model, text)
    is_word = bool(sign) and _WORD.fullmatch(head) is not None and bool(head.strip("! "))
    if is_word and "__" in head and not rest.startswith("="):
        _refuse_mixture(model, head.strip(), rest)
        return conditions.condition(model, text)
    try:
        return language.condition(model, text)
    except QuestionError:
        # As before there was a language: `name=Alderbay Analytics`, `email=a@x.example`.
        if is_word and not _JOINED.search(rest) and not re.search(r"[<>=\[\]'\"]", rest):
            return conditions.condition(model, text)
        raise


def _refuse_mixture(model: type[Model], name: str, rest: str) -> None:
    last = name.rpartition("__")[2]
    joined = _JOINED.search(rest)
    if joined and last in LOOKUPS and conditions.split(model, name)[0] is not None:
        language.condition(model, f"{name} = {rest}")  # says how it is written
        raise FieldError(f"{name}=... is a condition of its own: give what follows {joined[1]!r} as another word.")


def narrowed(queryset: QuerySet[Any], texts: tuple[str, ...]) -> QuerySet[Any]:
    """The queryset with every condition added."""
    for text in texts:
        queryset = queryset.filter(condition(queryset.model, text))
    return queryset


def names_in(condition: Any) -> Iterator[str]:
    """The fields of the records themselves that a condition compares."""
    if isinstance(condition, Q):
        for child in condition.children:
            yield from names_in(child)
    elif isinstance(condition[0][0], str):
        path = list(condition[0])
        while len(path) > 1 and path[-1] in LOOKUPS:
            path.pop()
        yield "__".join(path)


# --- records --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Listing:
    """Records to be listed: the queryset, the columns by name, and which of them hold parts of dates."""

    queryset: QuerySet[Any]
    columns: dict[str, str | Expression[Any]] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)


def listing(queryset: QuerySet[Any], question: Question, otherwise: list[str]) -> Listing:
    """The records of a question with its columns, those of `otherwise` where it names none."""
    model = queryset.model
    columns = [column for text in question.columns for column in language.columns(model, text)]
    made = Listing(queryset, {} if columns else {name: name for name in otherwise})
    made.parts = parts({column.name: column.value for column in columns})
    for column in columns:
        value = column.value
        if isinstance(value, Expression) and _NAMED.fullmatch(column.name):
            made.queryset = made.queryset.annotate(**{column.name: value})
            value = column.name
        made.columns[column.name] = value
    made.queryset = _ordered(made.queryset, question.order, made.columns)
    return made


def _ordered(queryset: QuerySet[Any], order: tuple[str, ...], known: Any) -> QuerySet[Any]:
    terms = []
    for place, text in enumerate(order):
        name, sign = text.removeprefix("-").strip(), "-" if text.startswith("-") else ""
        value: Any = name if name in known else language.columns(queryset.model, name)[0].value
        if isinstance(value, Expression):
            queryset, value = queryset.annotate(**{f"order_{place + 1}": value}), f"order_{place + 1}"
        terms.append(f"{sign}{value}")
    return queryset.order_by(*terms) if terms else queryset


# --- groups ---------------------------------------------------------------------------------------------


def figures(model: type[Model], question: Question) -> dict[str, Any]:
    """The figures of a question by name: `count`, `sum_mrr`."""
    found: dict[str, Any] = {}
    if question.count:
        found["count"] = language.columns(model, "count(*)")[0].value
    for word, text in question.figures:
        (column,) = language.columns(model, f"{word}({text})")
        found[f"{word}_{_slug(text)}"] = column.value
    return found


def grouped(queryset: QuerySet[Any], question: Question) -> Groups:
    """The groups of a question, with their figures, conditions and order."""
    model = queryset.model
    keys = by_name(model, question)
    names = [name for name, value in keys.items() if isinstance(value, str)]
    values = {name: value for name, value in keys.items() if not isinstance(value, str)}
    wanted = figures(model, question) or figures(model, Question(count=True))
    groups = queryset.group_by(*names, **values).annotate(**wanted)
    known = frozenset((*names, *values, *wanted))
    for text in question.having:
        groups = groups.filter(language.condition(model, text, known))
    return groups.order_by(*question.order) if question.order else groups


def parts(columns: Mapping[str, Any]) -> set[str]:
    """The columns that hold parts of dates, by their names: a year is no amount."""
    paths = {name: value.name if isinstance(value, F) else value for name, value in columns.items()}
    return {name for name, path in paths.items() if isinstance(path, str) and path.rpartition("__")[2] in PARTS}


def by_name(model: type[Any], question: Question) -> dict[str, Any]:
    """What the groups of a question are by, under the names of their columns."""
    found: dict[str, Any] = {}
    for column in (column for text in question.by for column in language.columns(model, text)):
        name = column.name if _NAMED.fullmatch(column.name) else _slug(column.name)
        found[column.value if isinstance(column.value, str) else name] = column.value
    return found


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "_", text).strip("_")


def check_having(question: Question) -> None:
    """Raise where conditions on groups stand without groups."""
    if question.having and not question.by:
        raise ValidationError("--having is about groups: --by says which.")
