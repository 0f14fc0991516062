"""Charts of a portfolio, for notebooks and for the report: `planhat.charts.renewals()`.

Every chart comes from a `Figure`, so that the table beside it shows the same numbers. Colours are those of Okabe
and Ito, which people who cannot tell red from green can tell apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from .. import arguments, runtime
from ..errors import ConfigurationError, MirrorIncomplete
from . import figures
from .figures import Figure, Value
from .portfolio import Portfolio, read_portfolio

if TYPE_CHECKING:
    from types import ModuleType

    import altair

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW)
OTHERS = "all others"
HEIGHT = 240
MONTHS_BACK = 24


class Charts:
    """The charts of one client's mirror. Each makes no request and returns an Altair chart.

    `as_of` (a moment, or a day) shows the mirror as it was; `owner` (a name or an id) shows the customers of one
    person. Raises `MirrorIncomplete` where the mirror lacks a model or does not reach back so far.
    Needs `pip install "planhat_orm[report]"`.

    >>> chart = planhat.charts.renewals(months=6)  # doctest: +SKIP
    """

    def __init__(self, client: runtime.Client) -> None:
        self._client = client

    def portfolio(self, *, as_of: datetime | date | None = None, owner: str | None = None) -> altair.Chart:
        """MRR by phase, one colour an owner."""
        return portfolio_chart(figures.portfolio(self._read(as_of, owner)))

    def mrr(self, *, owner: str | None = None, months: int = MONTHS_BACK) -> altair.Chart:
        """MRR at the end of each month that the mirror remembers, and now."""
        return mrr_chart(
            figures.mrr_history(mrr_points(self._client, datetime.now(UTC), _owner(owner), _months(months)))
        )

    def renewals(
        self, *, months: int = 12, as_of: datetime | date | None = None, owner: str | None = None
    ) -> altair.Chart:
        """MRR that renews in each of the next months."""
        return renewals_chart(figures.renewals(self._read(as_of, owner), months=_months(months)))

    def health(self, *, as_of: datetime | date | None = None, owner: str | None = None) -> altair.Chart:
        """Customers at each health."""
        return health_chart(figures.health(self._read(as_of, owner)))

    def untouched(
        self, *, days: int = 60, as_of: datetime | date | None = None, owner: str | None = None
    ) -> altair.Chart:
        """MRR of the largest customers without a touch in so many days."""
        return untouched_chart(
            figures.untouched(self._read(as_of, owner), days=arguments.whole("days", days, 0, _MOST_DAYS))
        )

    def nps(self, *, months: int = 12, as_of: datetime | date | None = None, owner: str | None = None) -> altair.Chart:
        """The NPS of each month with answers."""
        return nps_chart(figures.nps(self._read(as_of, owner), months=_months(months)))

    def tickets(
        self, *, months: int = 12, as_of: datetime | date | None = None, owner: str | None = None
    ) -> altair.Chart:
        """Tickets that came in in each month, by status."""
        return tickets_chart(figures.tickets(self._read(as_of, owner), months=_months(months)))

    def _read(self, as_of: datetime | date | None, owner: str | None) -> Portfolio:
        return read_portfolio(self._client, as_of=moment(as_of), owner=_owner(owner))


_MOST_DAYS = 36_500


def _months(months: int) -> int:
    return arguments.whole("months", months, 1, _MOST_DAYS // 30)


def _owner(owner: str | None) -> str | None:
    return None if owner is None else arguments.text("owner", owner)


def moment(when: datetime | date | None) -> datetime | None:
    """A moment of UTC; a day stands for its end."""
    if when is None or isinstance(when, datetime):
        return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)
    return datetime.combine(arguments.day("as_of", when), time.max, tzinfo=UTC)


def mrr_points(
    client: runtime.Client, now: datetime, owner: str | None, months: int = MONTHS_BACK
) -> list[tuple[datetime, float]]:
    """MRR now and at the ends of the months before, as far as the mirror remembers, oldest first."""
    points = [(now, read_portfolio(client, as_of=_past(now), owner=owner).mrr)]
    edge = datetime(now.year, now.month, 1, tzinfo=UTC)
    for _ in range(months):
        at = edge - timedelta(microseconds=1000)
        past = portfolio_at(client, at, owner)
        if past is None:
            break
        points.append((at, past.mrr))
        edge = datetime(at.year, at.month, 1, tzinfo=UTC)
    return points[::-1]


def portfolio_at(client: runtime.Client, at: datetime, owner: str | None) -> Portfolio | None:
    """The portfolio at a moment of the past, or None where the mirror does not reach back so far."""
    try:
        return read_portfolio(client, as_of=at, owner=owner)
    except MirrorIncomplete:
        return None


def _past(at: datetime) -> datetime | None:
    """None for the present, which needs no memory."""
    return None if datetime.now(UTC) - at < timedelta(seconds=60) else at


def portfolio_chart(figure: Figure) -> altair.Chart:
    """Bars of MRR by phase, one colour an owner; the smaller owners share the last one, as colours must differ."""
    alt = _altair()
    sums: defaultdict[Value, float] = defaultdict(float)
    for _, owner, _, mrr in figure.rows:
        sums[owner] += mrr if isinstance(mrr, (int, float)) else 0
    large = [
        owner for owner, _ in Counter(sums).most_common(len(COLOURS) if len(sums) <= len(COLOURS) else len(COLOURS) - 1)
    ]
    rows = tuple((phase, owner if owner in large else OTHERS, *rest) for phase, owner, *rest in figure.rows)
    domain = [*sorted(map(str, large)), *([OTHERS] if len(sums) > len(large) else [])]
    colours = alt.Scale(domain=domain, range=list(COLOURS))
    chart: altair.Chart = _chart(replace(figure, rows=rows)).mark_bar().encode(
        x=alt.X("sum(mrr):Q", title="MRR", stack=True),
        y=alt.Y("phase:N", title=None, sort=None),
        color=alt.Color("owner:N", title="owner", scale=colours),
        tooltip=[alt.Tooltip("phase:N"), alt.Tooltip("owner:N"), alt.Tooltip("sum(mrr):Q", title="mrr"),
                 alt.Tooltip("sum(customers):Q", title="customers")],
    )  # fmt: skip
    return chart


def mrr_chart(figure: Figure) -> altair.Chart:
    """A line of MRR over time."""
    alt = _altair()
    chart: altair.Chart = _chart(figure).mark_line(point=True, color=BLUE).encode(
        x=alt.X("day:T", title=None), y=alt.Y("mrr:Q", title="MRR", scale=alt.Scale(zero=False)),
        tooltip=_tips(figure),
    )  # fmt: skip
    return chart


def renewals_chart(figure: Figure) -> altair.Chart:
    """Bars of MRR by month."""
    return _bars(figure, "month:O", "mrr:Q", "MRR")


def health_chart(figure: Figure) -> altair.Chart:
    """Bars of customers by health: at risk, in between, well."""
    alt = _altair()
    risky = alt.when(f"datum.health <= {figures.AT_RISK}").then(alt.value(RED))
    colour = risky.when("datum.health <= 6").then(alt.value(ORANGE)).otherwise(alt.value(BLUE))
    return _bars(figure, "health:O", "customers:Q", "customers").encode(color=colour)


def untouched_chart(figure: Figure) -> altair.Chart:
    """Bars of MRR by customer."""
    alt = _altair()
    chart: altair.Chart = _chart(figure).mark_bar(color=ORANGE).encode(
        x=alt.X("mrr:Q", title="MRR"), y=alt.Y("customer:N", title=None, sort="-x"), tooltip=_tips(figure)
    )  # fmt: skip
    return chart


def nps_chart(figure: Figure) -> altair.Chart:
    """A line of the score by month, from -100 to 100."""
    alt = _altair()
    chart: altair.Chart = _chart(figure).mark_line(point=True, color=GREEN).encode(
        x=alt.X("month:O", title=None), y=alt.Y("nps:Q", title="NPS", scale=alt.Scale(domain=[-100, 100])),
        tooltip=_tips(figure),
    )  # fmt: skip
    return chart


def tickets_chart(figure: Figure) -> altair.Chart:
    """Bars of tickets by month, one colour a status."""
    alt = _altair()
    status = alt.Color("status:N", title="status", scale=alt.Scale(range=list(COLOURS)))
    return _bars(figure, "month:O", "tickets:Q", "tickets").encode(color=status)


DRAWN: dict[str, Callable[[Figure], Any]] = {
    "portfolio": portfolio_chart,
    "mrr": mrr_chart,
    "renewals": renewals_chart,
    "health": health_chart,
    "nps": nps_chart,
    "tickets": tickets_chart,
}
"""The figures of a report that are drawn; the others are tables only."""


def _bars(figure: Figure, x: str, y: str, title: str) -> altair.Chart:
    alt = _altair()
    encoded = _chart(figure).mark_bar(color=BLUE)
    chart: altair.Chart = encoded.encode(x=alt.X(x, title=None), y=alt.Y(y, title=title), tooltip=_tips(figure))
    return chart


def _chart(figure: Figure) -> altair.Chart:
    alt = _altair()
    data = alt.InlineData(values=figure.records())
    chart: altair.Chart = alt.Chart(data, title=figure.title).properties(width="container", height=HEIGHT)
    return chart


def _tips(figure: Figure) -> list[altair.Tooltip]:
    """What a pointer over a mark shows: every column of its row."""
    alt = _altair()
    first = dict(zip(figure.columns, figure.rows[0], strict=True)) if figure.rows else {}
    return [
        alt.Tooltip(field=name, type="quantitative" if isinstance(first.get(name), (int, float)) else "nominal")
        for name in figure.columns
    ]


def _altair() -> ModuleType:
    try:
        import altair
    except ImportError:
        raise missing("altair") from None
    return altair


def missing(package: str) -> ConfigurationError:
    """The error for a package that reports need and that is not installed."""
    return ConfigurationError(f'Charts and reports need {package}: pip install "planhat_orm[report]".')
