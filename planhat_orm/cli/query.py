"""`planhat query`: records, figures and groups of a model, from the mirror or from Planhat."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from .. import Planhat
from ..query.plan import Plan
from ..queryset import QuerySet
from . import language
from .asking import (
    FIGURES,
    Question,
    by_name,
    check_having,
    condition,
    figures,
    grouped,
    listing,
    names_in,
    narrowed,
    parts,
)
from .connect import MIRROR, ApiUrlOption, MirrorOption, OnlineOption, connect, model
from .out import Format, FormatOption, JsonOption, dump, say, write
from .source import answer, pick

_COLUMNS = (
    "id", "name", "nick_name", "email", "product", "subject", "action", "title", "company_name", "type", "status",
    "renewal_status", "phase", "mrr", "value", "date", "renewal_date",
)  # fmt: skip
_SHOWN = 6
_LIMIT = 20
_MODEL = re.compile(r"[A-Z]\w*|[a-z]+")


def query(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL] [CONDITION]...",
            help="Company where none is named; \"status='customer' and mrr>=1000\", or status=customer mrr__gte=1000",
            show_default=False,
        ),
    ] = None,
    order: Annotated[
        list[str] | None,
        typer.Option("--order", metavar="FIELD", help="Sort by a field; -mrr is descending.", show_default=False),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns", "--fields", metavar="FIELDS", help="With commas between them, or all.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=0, help="At most so many; 0 for all. Default: 20, but all groups."),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    sums: Annotated[
        list[str] | None, typer.Option("--sum", metavar="FIELD", help="Add it up.", show_default=False)
    ] = None,
    means: Annotated[
        list[str] | None, typer.Option("--avg", metavar="FIELD", help="Its mean.", show_default=False)
    ] = None,
    least: Annotated[
        list[str] | None, typer.Option("--min", metavar="FIELD", help="Its least value.", show_default=False)
    ] = None,
    most: Annotated[
        list[str] | None, typer.Option("--max", metavar="FIELD", help="Its greatest value.", show_default=False)
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="FIELD", help="Figures for each value of a field.", show_default=False),
    ] = None,
    having: Annotated[
        list[str] | None,
        typer.Option("--having", metavar="CONDITION", help="Only groups such as sum_mrr>5000.", show_default=False),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say how it is answered. Makes no request.")] = False,
    form: FormatOption = Format.table,
    as_json: JsonOption = False,
    online: OnlineOption = None,
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
) -> None:
    """Find records, count them, or add their figures up.

    A condition compares: status='customer' and (mrr>=1000 or
    tags contains 'vip') and renewal_date<today+60d. Paths lead over
    relations (owner.nick_name, custom.Tier), tickets[status='open']
    asks for one record there, and count(tickets[status='open'])>=5
    for a figure. Words as in Python work too: mrr__gte=1000.

    For example:
    planhat query "owner.nick_name='Ada' and h<5" --order -mrr
    planhat query License --by product --sum mrr --having "sum_mrr>5000"
    """
    form = Format.json if as_json else form
    name, asked = _model_and_conditions(words or [])
    chosen = model(name)
    named = zip(FIGURES, (sums, means, least, most), strict=True)
    question = Question(
        tuple(asked),
        tuple(language.items(columns)),
        tuple(language.items(order)),
        tuple(language.items(by)),
        tuple((word, text) for word, texts in named for text in language.items(texts)),
        count,
        tuple(having or ()),
    )
    check_having(question)
    with connect(mirror, api_url, token=False) as client:
        queryset = narrowed(chosen.objects.all(), question.conditions)
        if question.by:
            _groups(client, queryset, online, question, limit, form, explain)
        elif (question.figures or count) and not explain:
            _figures(client, queryset, online, question, form)
        else:
            _records(client, queryset, online, question, _LIMIT if limit is None else limit, form, explain)


def _model_and_conditions(words: list[str]) -> tuple[str, list[str]]:
    if words and _MODEL.fullmatch(words[0]):
        return words[0], words[1:]
    return "Company", words


def _groups(
    client: Planhat,
    queryset: QuerySet[Any],
    online: bool | None,
    question: Question,
    limit: int | None,
    form: Format,
    explain: bool,
) -> None:
    groups = grouped(queryset, question)
    if explain:
        asked = pick(client, queryset, online, lambda found: grouped(found, question))
        _explain(grouped(asked, question).explain(), form)
        return
    rows = answer(
        client,
        queryset,
        online,
        lambda found: list(grouped(found, question)[: limit or None]),
        lambda found: grouped(found, question),
    )
    write(rows, groups.names, form, parts(by_name(queryset.model, question)))


def _figures(client: Planhat, queryset: QuerySet[Any], online: bool | None, question: Question, form: Format) -> None:
    if question.count and not question.figures:
        typer.echo(answer(client, queryset, online, lambda found: found.count()))
        return
    wanted = figures(queryset.model, question)
    write([answer(client, queryset, online, lambda found: found.aggregate(**wanted))], list(wanted), form)


def _records(
    client: Planhat,
    queryset: QuerySet[Any],
    online: bool | None,
    question: Question,
    limit: int,
    form: Format,
    explain: bool,
) -> None:
    model = queryset.model
    every = question.columns == ("all",)
    if every:
        question = Question(question.conditions, (), question.order)
    made = listing(queryset, question, list(model._meta.fields) if every else _columns(model, question))
    made.queryset.values_list(*made.columns.values())  # a wrong name is found before anything is asked
    if explain:
        _explain(pick(client, made.queryset, online).explain(), form)
        return
    stop = limit + 1 if limit else None
    found = answer(client, made.queryset, online, lambda asked: list(asked.values_list(*made.columns.values())[:stop]))
    names = list(made.columns)
    rows = [dict(zip(names, row, strict=True)) for row in found[: limit or None]]
    write(rows, names, form, made.parts)
    if limit and len(found) > limit:
        say(f"There are more than {limit}: --limit 0 shows all, --count counts them.")


def _explain(plan: Plan, form: Format) -> None:
    if form is Format.json:
        dump({"source": plan.source, "requests": plan.requests, "full_scan": plan.full_scan, "text": str(plan)})
    else:
        typer.echo(plan)


def _columns(model: type[Any], question: Question) -> list[str]:
    """A few columns that tell records apart, and those that the question is about."""
    known = model._meta.fields
    columns = [item for item in _COLUMNS if item in known][:_SHOWN]
    asked = [name for text in question.conditions for name in names_in(condition(model, text))]
    for name in [*asked, *(_unquoted(model, item.removeprefix("-").strip()) for item in question.order)]:
        # A column over a relation costs requests, so it is shown only when asked for.
        if name not in columns and (name in known or name.startswith(("custom__", "custom."))):
            columns.append(name)
    return columns


def _unquoted(model: type[Any], text: str) -> str:
    """What an order sorts by, as the library writes it where the label of a custom field stands in quotes."""
    value = language.columns(model, text)[0].value if "'" in text or '"' in text else text
    return value if isinstance(value, str) else text
