"""Send figures of your product to Planhat as metrics, and make sure that they arrived. With asyncio.

    python usage_metrics.py --day 2026-05-31

The figures are made up here: so many active contacts of each customer. Yours come from your own database.
Needs PLANHAT_TENANT_TOKEN, as metrics go to the analytics host.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta

from planhat_orm import Company, Enduser, Planhat, PlanhatError

DIMENSION = "active-contacts"


async def figures() -> Counter[str]:
    """Active contacts by the id of their company."""
    counted: Counter[str] = Counter()
    async for contact in Enduser.objects.only("company_id", "last_active"):
        if contact.last_active is not None:
            counted[contact.company_id] += 1
    return counted


async def send(day: date) -> None:
    async with Planhat(scan="allow") as planhat:
        customers, active = await asyncio.gather(keys_of_customers(), figures())
        rows = [
            {"dimensionId": DIMENSION, "externalId": key, "value": active[id], "date": day}
            for id, key in customers.items()
        ]
        await planhat.metrics.abulk_insert_metrics(rows, verify=True)
        print(f"{len(rows)} values of {DIMENSION} for {day} arrived, {planhat.calls} requests in all.")


async def keys_of_customers() -> dict[str, str]:
    """External ids of customers by id."""
    customers = Company.objects.filter(status="customer").values_list("id", "external_id")
    return {id: key async for id, key in customers if key}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    parser.add_argument("--day", type=date.fromisoformat, default=yesterday, help="the day of the figures")
    options = parser.parse_args()
    try:
        asyncio.run(send(options.day))
    except PlanhatError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
