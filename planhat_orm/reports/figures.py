"""What the charts show, as plain tables: a title, columns, rows. Nothing here draws or asks.

Months are those of UTC. Money is in the currency that the account uses; nothing is converted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from .portfolio import Portfolio

AT_RISK = 3
"""Accounts of this health or worse are at risk."""
SOON = 90
"""Days in which a renewal is near."""

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One table of a report: `rows` hold a value for each of `columns`."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = ""
    empty: str = field(default="Nothing to show.")

    def records(self) -> list[dict[str, Value]]:
        """The rows as dicts, as a chart takes them."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Headline:
    """One of the numbers at the top. `change` is None where the mirror does not know the past."""

    label: str
    value: float
    money: bool = False
    change: float | None = None
    note: str = ""


def headlines(now: Portfolio, before: Portfolio | None) -> list[Headline]:
    """Recurring revenue and its change, customers, what is at risk, and what renews soon."""
    risky = [account for account in now.accounts if account.health is not None and account.health <= AT_RISK]
    edge = now.at.date() + timedelta(days=SOON)
    soon = [renewal for renewal in now.renewals if now.at.date() <= renewal.date <= edge]
    past = None if before is None else now.mrr - before.mrr
    since = "" if before is None else f"since {before.at:%Y-%m-%d}"
    lost = None if before is None else len(now.accounts) - len(before.accounts)
    return [
        Headline("MRR", now.mrr, True, past, since),
        Headline("Customers", len(now.accounts), False, lost, since),
        Headline("MRR at risk", sum(account.mrr for account in risky), True, None, f"{len(risky):,} customers"),
        Headline(f"Renewals in {SOON} days", sum(item.mrr for item in soon), True, None, f"{len(soon):,} licences"),
    ]


def portfolio(now: Portfolio) -> Figure:
    """Customers and MRR by phase and owner, the largest phase first."""
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    phases: Counter[str] = Counter()
    for account in now.accounts:
        cell = sums[account.phase, account.owner]
        cell[0] += 1
        cell[1] += account.mrr
        phases[account.phase] += 1
    order = {phase: rank for rank, (phase, _) in enumerate(phases.most_common())}
    rows = sorted(sums.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    return Figure(
        "portfolio",
        "Portfolio by phase and owner",
        ("phase", "owner", "customers", "mrr"),
        tuple((phase, owner, int(count), round(mrr, 2)) for (phase, owner), (count, mrr) in rows),
    )


def mrr_history(points: Sequence[tuple[datetime, float]]) -> Figure:
    """MRR at each moment that the mirror remembers."""
    return Figure(
        "mrr",
        "MRR over time",
        ("day", "mrr"),
        tuple((f"{at:%Y-%m-%d}", round(mrr, 2)) for at, mrr in points),
        note="As far back as the mirror remembers.",
    )


def renewals(now: Portfolio, *, months: int = 12) -> Figure:
    """Licences and MRR that renew in each of the next months, the present one first."""
    first = now.at.date().replace(day=1)
    wanted = [_month(first, step) for step in range(months)]
    sums: dict[str, list[float]] = {month: [0, 0.0] for month in wanted}
    for renewal in now.renewals:
        month = f"{renewal.date:%Y-%m}"
        if month in sums and renewal.date >= now.at.date():
            sums[month][0] += 1
            sums[month][1] += renewal.mrr
    rows = tuple((month, int(count), round(mrr, 2)) for month, (count, mrr) in sums.items())
    return Figure("renewals", "Renewals by month", ("month", "licences", "mrr"), rows)


def health(now: Portfolio) -> Figure:
    """Customers and MRR at each health from 0 to 10; those without one are left out and named in the note."""
    counts: dict[int, list[float]] = {score: [0, 0.0] for score in range(11)}
    without = 0
    for account in now.accounts:
        if account.health is None or account.health not in counts:
            without += 1
            continue
        counts[account.health][0] += 1
        counts[account.health][1] += account.mrr
    return Figure(
        "health",
        "Health",
        ("health", "customers", "mrr"),
        tuple((score, int(count), round(mrr, 2)) for score, (count, mrr) in counts.items()),
        note=f"{without:,} customers have no health." if without else "",
    )


def untouched(now: Portfolio, *, days: int = 60, limit: int = 25) -> Figure:
    """Customers without a touch in so many days, the largest first."""
    edge = now.at - timedelta(days=days)
    quiet = [account for account in now.accounts if account.last_touch is None or account.last_touch < edge]
    quiet.sort(key=lambda account: (-account.mrr, account.name))
    rows = tuple(
        (account.name, account.owner, round(account.mrr, 2), _day(account.last_touch)) for account in quiet[:limit]
    )
    more = len(quiet) - len(rows)
    return Figure(
        "untouched",
        f"No touch in {days} days",
        ("customer", "owner", "mrr", "last touch"),
        rows,
        note=f"{more:,} more are smaller." if more else "",
        empty="Every customer was touched.",
    )


def nps(now: Portfolio, *, months: int = 12) -> Figure:
    """Answers and the score (promoters less detractors, in percent) of each of the last months with answers."""
    first = _month(now.at.date().replace(day=1), 1 - months)
    answers: dict[str, list[int]] = defaultdict(list)
    for answer in now.answers:
        month = f"{answer.at:%Y-%m}"
        if month >= first and answer.at <= now.at:
            answers[month].append(answer.score)
    rows = tuple((month, len(scores), round(_score(scores), 1)) for month, scores in sorted(answers.items()))
    return Figure("nps", "NPS", ("month", "answers", "nps"), rows, empty="No answers in this time.")


def tickets(now: Portfolio, *, months: int = 12) -> Figure:
    """Tickets that came in in each of the last months, by their status today."""
    first = _month(now.at.date().replace(day=1), 1 - months)
    counts = Counter(
        (f"{case.at:%Y-%m}", case.status) for case in now.cases if f"{case.at:%Y-%m}" >= first and case.at <= now.at
    )
    rows = tuple((month, status, count) for (month, status), count in sorted(counts.items()))
    return Figure("tickets", "Tickets", ("month", "status", "tickets"), rows, empty="No tickets in this time.")


def _score(scores: Sequence[int]) -> float:
    return 100 * sum((score >= 9) - (score <= 6) for score in scores) / len(scores)


def _month(first: date, step: int) -> str:
    index = first.year * 12 + first.month - 1 + step
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d}"
