"""`planhat query`: records, counts and sums of a model, from the mirror or from Planhat."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import Planhat
from ..query.expressions import Aggregate, Avg, Count, Max, Min, Sum
from ..queryset import QuerySet
from .conditions import field_name, narrowed, split
from .connect import MIRROR, ApiUrlOption, MirrorOption, OnlineOption, connect, model
from .out import Format, say, write
from .source import answer, pick

_COLUMNS = (
    "id", "name", "nick_name", "email", "product", "subject", "action", "title", "company_name", "type", "status",
    "renewal_status", "phase", "mrr", "value", "date", "renewal_date",
)  # fmt: skip
_SHOWN = 6


def query(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Company, License, Enduser, ...")],
    conditions: Annotated[
        list[str] | None,
        typer.Argument(metavar="CONDITION", help="status=customer, mrr__gte=1000, name!=Acme", show_default=False),
    ] = None,
    order: Annotated[
        list[str] | None, typer.Option("--order", help="Sort by a field; -mrr is descending.", show_default=False)
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--fields", help="Columns, with commas between them; all for every field.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many records; 0 for all.")] = 20,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    sums: Annotated[list[str] | None, typer.Option("--sum", help="Add a field up.", show_default=False)] = None,
    means: Annotated[list[str] | None, typer.Option("--avg", help="The mean of a field.", show_default=False)] = None,
    least: Annotated[list[str] | None, typer.Option("--min", help="The least value.", show_default=False)] = None,
    most: Annotated[list[str] | None, typer.Option("--max", help="The greatest value.", show_default=False)] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Figures for each value of a field.", show_default=False)
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say how it is answered. Makes no request.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How to write the result.")] = Format.table,
    online: OnlineOption = None,
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
) -> None:
    """Find records, count them, or add their figures up.

    A condition is field=value or field!=value. A comparison can follow
    the field, and relations lead to it: mrr__gte=1000, phase__in=Live,Renewal,
    name__icontains=acme, tags__contains=vip, renewal_date__lte=2026-12-31,
    owner_id=null, custom__Tier=A, company__phase=Live.

    For example:
    planhat query License company__phase=Renewal --sum mrr --by product
    """
    chosen = model(name)
    asked = conditions or []
    figures = _figures(count, sums, means, least, most)
    with connect(mirror, api_url, token=False) as client:
        queryset = narrowed(chosen.objects.all(), asked)
        if order:
            queryset = queryset.order_by(*_names(order))
        columns = _columns(chosen, _names(fields), asked, _names(order))
        queryset.values(*columns)  # a wrong name is found before anything is asked
        if explain:
            typer.echo(pick(client, queryset, online).explain())
        elif by or (figures and not (count and len(figures) == 1)):
            _show_figures(client, queryset, online, figures or _figures(True), _names(by), form)
        elif count:
            typer.echo(answer(client, queryset, online, lambda found: found.count()))
        else:
            stop = limit + 1 if limit else None
            rows = answer(client, queryset, online, lambda found: list(found.values(*columns)[:stop]))
            write(rows[: limit or None], columns, form)
            if limit and len(rows) > limit:
                say(f"There are more than {limit}: --limit 0 shows all, --count counts them.")


def _figures(
    count: bool,
    sums: list[str] | None = None,
    means: list[str] | None = None,
    least: list[str] | None = None,
    most: list[str] | None = None,
) -> dict[str, Aggregate[Any]]:
    figures: dict[str, Aggregate[Any]] = {"count": Count()} if count else {}
    for word, kind, names in (("sum", Sum, sums), ("avg", Avg, means), ("min", Min, least), ("max", Max, most)):
        figures |= {f"{word} {name}": kind(name) for name in _names(names)}
    return figures


def _show_figures(
    client: Planhat,
    asked: QuerySet[Any],
    online: bool | None,
    figures: dict[str, Aggregate[Any]],
    by: list[str],
    form: Format,
) -> None:
    if by:
        rows = answer(client, asked, online, lambda found: found.group_by(*by).aggregate(**figures))
    else:
        rows = [answer(client, asked, online, lambda found: found.aggregate(**figures))]
    write(rows, [*by, *figures], form)


def _columns(chosen: type[Any], fields: list[str], conditions: list[str], order: list[str]) -> list[str]:
    """The columns asked for, or a few that tell records apart and those that the question is about."""
    known = chosen._meta.fields
    if fields == ["all"]:
        return list(known)
    if fields:
        return fields
    columns = [item for item in _COLUMNS if item in known][:_SHOWN]
    for name in [*map(field_name, conditions), *(item.removeprefix("-") for item in order)]:
        kind, op = split(chosen, name)
        bare = name if op == "exact" else name.rpartition("__")[0]
        # A column over a relation costs requests, so it is shown only when asked for.
        if kind is not None and bare not in columns and (bare in known or bare.startswith("custom__")):
            columns.append(bare)
    return columns


def _names(given: list[str] | None) -> list[str]:
    return [name.strip() for value in given or () for name in value.split(",") if name.strip()]
