"""What a notebook shows of a queryset: what was fetched, the first rows of a mirror, or what asking costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import PlanhatError
from ..fields.relations import Ref
from ..html import table
from .one_value import read

if TYPE_CHECKING:
    from .groups import Groups
    from .queryset import QuerySet
    from .values import _Rows

_FIRST = 10
_MOST = 20
_SHOWN = (
    "id", "name", "subject", "action", "title", "email", "product", "status", "phase", "type", "mrr", "value", "h",
    "company_name", "owner_id", "external_id", "source_id", "last_updated", "updated_at",
)  # fmt: skip
"""The fields that are shown of records that were fetched whole."""


def records(queryset: QuerySet[Any], fetched: Sequence[Any], chosen: Sequence[str] | None) -> str:
    """A table of records; of a mirror, of the first ten, with the names of those that they refer to."""
    fields = queryset.model._meta.fields
    names = [name for name in _SHOWN if name in fields]
    if chosen is not None:
        names = list(dict.fromkeys(("id", *chosen)))
    if fetched:
        return table(names, [[read(record, name) for name in names] for record in fetched[:_MOST]], repr(queryset))
    if is_local(queryset):
        # The names of owners and companies are there where their models are.
        for columns in (_with_names(fields, names), dict(zip(names, names, strict=True))):
            shown = _first_rows(queryset, columns)
            if shown is not None:
                return shown
    return _plan(queryset) + table((), (), repr(queryset))


def rows(made: _Rows[Any] | Groups, names: Sequence[str], queryset: QuerySet[Any]) -> str:
    """A table of rows of values, or of groups; of a mirror, of the first ten."""
    shown: Sequence[Any] = made._rows[:_MOST]
    if not shown and is_local(queryset):
        try:
            shown = list(made[:_FIRST])
        except PlanhatError:
            shown = ()
    cells = [row.values() if isinstance(row, dict) else row for row in shown]
    return table(names, [tuple(row) if not isinstance(row, str) else (row,) for row in cells], repr(made))


def is_local(queryset: QuerySet[Any]) -> bool:
    """Whether a mirror answers, so that looking makes no request."""
    try:
        return queryset.explain().source == "mirror"
    except PlanhatError:
        return False


def _with_names(fields: dict[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Columns by title: `owner` for the name behind `owner_id`."""
    columns = {}
    for name in names:
        reference = "company_id" if name == "company_name" else name
        if isinstance(fields.get(reference), Ref):
            title = reference.removesuffix("_id")
            columns[title] = f"{title}__label"
        else:
            columns[name] = name
    return columns


def _first_rows(queryset: QuerySet[Any], columns: dict[str, str]) -> str | None:
    try:
        found = list(queryset[:_FIRST].values(*columns.values()))
        count = queryset.count() if len(found) == _FIRST else len(found)
    except PlanhatError:
        return None
    part = f"first {len(found)} of {count:,}" if count > len(found) else f"{count:,} in all"
    return table(list(columns), [tuple(row.values()) for row in found], f"{queryset!r}: {part}")


def _plan(queryset: QuerySet[Any]) -> str:
    """The plan as a table; nothing while there is no client, or none that could answer."""
    try:
        return queryset.explain()._repr_html_()
    except PlanhatError:
        return ""
