"""The records that a report is about, read from the mirror once: accounts, licences, answers and tickets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from .. import runtime
from ..errors import ValidationError
from ..models.resources import NPS, Company, License, Ticket, User
from ..names import did_you_mean
from ..queryset import QuerySet

NO_OWNER = "nobody"
CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Account:
    """One customer, as the charts need it."""

    id: str
    name: str
    owner: str
    phase: str
    mrr: float
    health: int | None
    last_touch: datetime | None


@dataclass(frozen=True, slots=True)
class Renewal:
    """One licence that renews: the company, when, and what is at stake each month."""

    company: str
    date: date
    mrr: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to an NPS survey."""

    at: datetime
    score: int


@dataclass(frozen=True, slots=True)
class Case:
    """One ticket: when it came in, and its status."""

    at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Everything that one report shows, at one moment."""

    at: datetime
    accounts: tuple[Account, ...]
    renewals: tuple[Renewal, ...]
    answers: tuple[Answer, ...]
    cases: tuple[Case, ...]
    owner: str | None = None

    @property
    def mrr(self) -> float:
        """The monthly recurring revenue of all accounts."""
        return sum(account.mrr for account in self.accounts)


def read_portfolio(client: runtime.Client, *, as_of: datetime | None = None, owner: str | None = None) -> Portfolio:
    """Read the customers of an owner (None: of everybody) from the mirror, as it is or as it was."""
    at = as_of or datetime.now(UTC)
    owners = _owners(client)
    chosen = None if owner is None else _owner_ids(owners, owner)
    accounts = tuple(_accounts(client, as_of, owners, chosen))
    ids = {account.id for account in accounts}
    return Portfolio(
        at,
        accounts,
        tuple(_renewals(client, as_of, {account.id: account.name for account in accounts})),
        tuple(_answers(client, as_of, ids)),
        tuple(_cases(client, as_of, ids)),
        owner,
    )


def _source(client: runtime.Client, model: Any, as_of: datetime | None) -> QuerySet[Any]:
    queryset: QuerySet[Any] = model.objects.using(client).using("mirror")
    return queryset if as_of is None else queryset.as_of(as_of)


def _owners(client: runtime.Client) -> dict[str, str]:
    rows = _source(client, User, None).values_list("id", "nick_name", "first_name", "last_name", "email")
    return {str(row[0]): _person(*row) for row in rows}


def _person(id: str, nick_name: str | None, first: str | None, last: str | None, email: str | None) -> str:
    whole = " ".join(part for part in (first, last) if part)
    return str(nick_name or whole or email or id)


def _owner_ids(owners: dict[str, str], wanted: str) -> set[str]:
    found = {id for id, name in owners.items() if wanted in (id, name) or name.casefold() == wanted.casefold()}
    if not found:
        raise ValidationError(f"No user of the mirror is called {wanted!r}.{did_you_mean(wanted, owners.values())}")
    return found


def _accounts(
    client: runtime.Client, as_of: datetime | None, owners: dict[str, str], chosen: set[str] | None
) -> Iterable[Account]:
    queryset = _source(client, Company, as_of).filter(status=CUSTOMER)
    if chosen is not None:
        queryset = queryset.filter(owner_id__in=sorted(chosen))
    rows = queryset.values_list("id", "name", "owner_id", "phase", "mrr", "h", "last_touch")
    for id, name, owner, phase, mrr, health, touched in rows:
        who = NO_OWNER if owner is None else owners.get(owner, owner)
        yield Account(id, name or id, who, phase or "none", float(mrr or 0), health, _moment(touched))


def _renewals(client: runtime.Client, as_of: datetime | None, names: dict[str, str]) -> Iterable[Renewal]:
    queryset = _source(client, License, as_of).filter(renewal_status="ongoing", renewal_date__isnull=False)
    for company, when, mrr in queryset.values_list("company_id", "renewal_date", "mrr"):
        moment = _moment(when)
        if company in names and moment is not None:
            yield Renewal(names[company], moment.date(), float(mrr or 0))


def _answers(client: runtime.Client, as_of: datetime | None, ids: set[str]) -> Iterable[Answer]:
    for company, at, score in _source(client, NPS, as_of).values_list("c_id", "date_answered", "score"):
        moment = _moment(at)
        if company in ids and moment is not None and isinstance(score, int):
            yield Answer(moment, score)


def _cases(client: runtime.Client, as_of: datetime | None, ids: set[str]) -> Iterable[Case]:
    for company, at, created, status in _source(client, Ticket, as_of).values_list(
        "company_id", "date", "create_date", "status"
    ):
        moment = _moment(at) or _moment(created)
        if company in ids and moment is not None:
            yield Case(moment, status or "none")


def _moment(value: Any) -> datetime | None:
    """A moment; None for what the server holds in a form that is none."""
    return value if isinstance(value, datetime) else None
