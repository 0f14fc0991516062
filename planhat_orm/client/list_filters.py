"""What the lists of the plain endpoints take: the fields to name, and filters as an URL has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from .. import arguments
from ..errors import FieldError, ValidationError
from ..fields import gate
from ..fields.scalars import Refused, scalar
from ..query.split import MAX_VALUE_LENGTH
from ..wire.resources import ListParam, Resource


def fields_named(select: str | Iterable[str] | None) -> list[str] | None:
    """The fields that `select=` names, and the id; None for all of them."""
    if select is None:
        return None
    names = select.split(",") if isinstance(select, str) else list(arguments.many("select", select))
    chosen = [name.strip() for name in names if arguments.name(name).strip()]
    if not chosen:
        raise FieldError("select names no field: leave it out to get all of them.")
    return ["_id", *chosen]


def one_key(name: str, value: Any) -> str | None:
    """A key, bare or as `values_list("id")` has it, None where none is given; `ValidationError` for anything else."""
    if value is None:
        return None
    found = gate.key(name, value[0] if isinstance(value, tuple) and len(value) == 1 else value)
    if found is None or not found.strip():
        raise ValidationError(f"{name} is empty: leave it out for those of all.")
    return found


def texts(filters: Mapping[str, object]) -> dict[str, str]:
    """Filters as an URL has them; `ValidationError` for one that is empty."""
    found = {}
    for name, value in filters.items():
        if value is None:
            continue
        if isinstance(value, bool):
            found[name] = str(value).lower()
        elif isinstance(value, date):
            moment = value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
            found[name] = f"{moment:%Y-%m-%d}"
        elif isinstance(value, (list, tuple, set, frozenset)):
            parts = [_shown(name, item) for item in value]
            found[name] = ",".join(parts) if all(map(str.strip, parts)) else ""
        else:
            found[name] = _shown(name, value)
        if not found[name].strip():
            raise ValidationError(f"The filter {name} is empty: leave it out to list everything.")
    return found


def _shown(name: str, value: object) -> str:
    try:
        found = scalar(value)
    except Refused as wrong:
        raise ValidationError(f"The filter {name} takes text or a number, not {wrong.got}.") from None
    if found is None or isinstance(found, bool):
        raise ValidationError(f"The filter {name} takes text or numbers, not {found} among them.")
    return str(found)


def split(resource: Resource, filters: Mapping[str, object]) -> list[dict[str, str]]:
    """The parameters of each list to be asked for: many companies are cut into URLs that are short enough.

    Where a comma list is not documented (docs/reference/planhat-api.md section 6) each company is a list of its own.
    """
    params = texts(filters)
    for name in params:
        given = filters[name]
        if isinstance(given, bool) and name in resource.params and not resource.params[name].hides:
            raise ValidationError(f"The filter {name} takes text or a number, not {given}.")
        several = isinstance(given, (list, tuple, set, frozenset)) and len(given) > 1
        if several and name != "companyId" and not resource.params.get(name, ListParam(name)).many:
            raise ValidationError(f"The filter {name} takes one value: ask once for each.")
    value = params.get("companyId", "")
    if any(part.strip().startswith(("extid-", "srcid-")) for part in value.split(",")):
        raise ValidationError(
            "The filter companyId takes Planhat's own ids (docs/reference/planhat-api.md section 4); another key would "
            "match nothing. planhat.company.get_by_id('extid-...')['_id'] is the id of a company."
        )
    many = "companyId" in params and resource.params["companyId"].many
    if "," not in value or (many and len(value) <= MAX_VALUE_LENGTH):
        return [params]
    parts: list[list[str]] = [[]]
    for fromkey in dict.fromkeys(part.strip() for part in value.split(",")):
        length = sum(map(len, parts[-1])) + len(parts[-1]) + len(fromkey)
        if parts[-1] and (not many or length > MAX_VALUE_LENGTH):
            parts.append([])
        parts[-1].append(fromkey)
    return [{**params, "companyId": ",".join(part)} for part in parts]
