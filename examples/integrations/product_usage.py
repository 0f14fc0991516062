"""Usage of your product, events of Segment and PostHog and a SQL table, becomes metrics of companies, a value a day.

    python examples/integrations/product_usage.py

Run again, it sends nothing: what Planhat holds of those days is read first. The three lines to change: SEGMENT and
POSTHOG (the exports of their events, JSON Lines), USAGE (a query of yours), and DIMENSIONS (which events count, and as
which metric). Needs PLANHAT_TENANT_TOKEN, as metrics go to the analytics host.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planhat_orm import Company, Planhat, PlanhatError

EXPORTS = Path(__file__).parent / "exports"
SEGMENT, POSTHOG = EXPORTS / "segment_events.jsonl", EXPORTS / "posthog_events.jsonl"
USAGE = "SELECT account, day, seats FROM seats_used ORDER BY account, day"
DIMENSIONS = {"report exported": "reports-exported", "logged in": "logins"}

Key = tuple[str, str, str]
"""Dimension, external id of the company, and day: Planhat keeps one value for these."""


def events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a file, each once: exports repeat some."""
    seen: set[str] = set()
    for line in path.read_text("utf-8").splitlines():
        event = json.loads(line)
        id = event.get("messageId") or event["uuid"]
        if id not in seen:
            seen.add(id)
            yield event


def counted() -> Counter[Key]:
    """Events by dimension, company and day (UTC)."""
    values: Counter[Key] = Counter()
    for event in events(SEGMENT):
        if event["type"] == "track" and event["event"].lower() in DIMENSIONS:
            values[DIMENSIONS[event["event"].lower()], event["context"]["groupId"], event["timestamp"][:10]] += 1
    for event in events(POSTHOG):
        if event["event"] in DIMENSIONS:
            company = event["properties"]["$groups"]["company"]
            values[DIMENSIONS[event["event"]], company, event["timestamp"][:10]] += 1
    return values


def seats(database: sqlite3.Connection) -> dict[Key, float]:
    """The rows of the query, which has a value for each company and day already."""
    return {("seats-used", account, day): value for account, day, value in database.execute(USAGE)}


def warehouse() -> sqlite3.Connection:
    """A table as a warehouse has it. Yours is a connection to it."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE seats_used (account TEXT, day TEXT, seats REAL)")
    rows = [("acct-1001", "2026-05-29", 42), ("acct-1001", "2026-05-30", 44), ("acct-1002", "2026-05-30", 7)]
    database.executemany("INSERT INTO seats_used VALUES (?, ?, ?)", rows)
    return database


def held(planhat: Planhat, days: list[str], keys: dict[str, str]) -> dict[Key, float]:
    """What Planhat has of these days. `keys` are external ids by the ids of companies."""
    values: dict[Key, float] = {}
    for page in planhat.metrics.get_dimension_data(days[0], days[-1]):
        for row in page:
            key = (row["dimensionId"], keys.get(row["companyId"], ""), row["time"][:10])
            values[key] = row["value"]
    return values


def main() -> int:
    with Planhat(scan="allow") as planhat:
        try:
            values = {**counted(), **seats(warehouse())}
            keys = dict(Company.objects.using(planhat).values_list("id", "external_id"))
            there = held(planhat, sorted({day for _, _, day in values}), keys)
            rows = [
                {"dimensionId": dimension, "externalId": company, "date": day, "value": value}
                for (dimension, company, day), value in values.items()
                if there.get((dimension, company, day)) != value
            ]
            if rows:
                planhat.metrics.bulk_insert_metrics(rows, verify=True)
            print(f"{len(rows)} of {len(values)} values were sent, and arrived.")
        except (PlanhatError, OSError) as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
