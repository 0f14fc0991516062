"""The report: one HTML page that needs no network, with each chart's numbers in a table under it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from .. import runtime
from . import charts, figures
from .figures import Figure, Headline
from .portfolio import Portfolio, read_portfolio

COMPARED = timedelta(days=30)
"""How far back the numbers at the top are compared."""


def report(
    client: runtime.Client,
    *,
    as_of: datetime | date | None = None,
    owner: str | None = None,
    untouched_days: int = 60,
) -> str:
    """Return the report of a mirror as one HTML page. Makes no request.

    Raises `MirrorIncomplete` where the mirror lacks companies, licences, users, NPS answers or tickets, or does
    not reach back to `as_of`; `ValidationError` for an owner whom no user is called by.
    """
    now = read_portfolio(client, as_of=charts.moment(as_of), owner=owner)
    before = charts.portfolio_at(client, now.at - COMPARED, owner)
    points = charts.mrr_points(client, now.at, owner)
    return render(now, figures.headlines(now, before), chosen(now, points, untouched_days))


def chosen(now: Portfolio, points: list[tuple[datetime, float]], untouched_days: int) -> list[Figure]:
    """The figures of the page, in its order."""
    return [
        figures.portfolio(now),
        figures.mrr_history(points),
        figures.renewals(now),
        figures.health(now),
        figures.untouched(now, days=untouched_days),
        figures.nps(now),
        figures.tickets(now),
    ]


def render(now: Portfolio, headlines: list[Headline], drawn: list[Figure]) -> str:
    """The page, with every text escaped."""
    try:
        from jinja2 import Environment, StrictUndefined, select_autoescape
    except ImportError:
        raise charts.missing("jinja2") from None
    environment = Environment(
        autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, change=_change, cell=_cell)
    template = environment.from_string(Path(__file__).with_name("report.html.j2").read_text("utf-8"))
    return template.render(
        title="Portfolio" if now.owner is None else f"Portfolio of {now.owner}",
        at=f"{now.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        headlines=headlines,
        figures=drawn,
        specs={figure.name: _spec(figure) for figure in drawn if figure.name in charts.DRAWN and figure.rows},
        vega=_vega(),
    )


def _spec(figure: Figure) -> str:
    """A chart as JSON that may stand in a script element."""
    spec = charts.DRAWN[figure.name](figure).to_dict()
    spec.pop("title", None)  # the heading says it
    text = json.dumps(spec, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script that defines `vegaEmbed`."""
    try:
        import vl_convert
    except ImportError:
        raise charts.missing("vl-convert-python") from None
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _number(headline: Headline) -> str:
    return f"{headline.value:,.0f}"


def _change(headline: Headline) -> str:
    return "" if headline.change is None else f"{headline.change:+,.0f}"


def _cell(value: figures.Value) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}".removesuffix(".00")
    return f"{value:,}" if isinstance(value, int) else "" if value is None else value
