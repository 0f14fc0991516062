"""A receiver in a process of its own, for the storm: `python -m tests.webhooks.storm MIRROR API_URL PORT LOG`.

Its handler writes a line for each call, so that calls of a process that was killed are counted too.
"""

from __future__ import annotations

import os
import sys

import uvicorn

from planhat_orm import Company, License, Planhat
from planhat_orm.webhooks import Change, Receiver


def main(mirror: str, api_url: str, port: str, log: str) -> None:
    planhat = Planhat("test-token", "test-tenant", api_url=api_url, mirror=mirror, calls_per_min=60_000)
    hooks = Receiver(planhat, secret="storm", quiet=0.2)
    lines = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @hooks.on(Company, fields=["description"], name="companies")
    @hooks.on(License, fields=["product"], name="licences")
    def changed(record: Company | License, change: Change) -> None:
        now = record.description if isinstance(record, Company) else record.product
        os.write(lines, f"{record.id} {change.id} {change.kind} {now}\n".encode())

    uvicorn.run(hooks, host="127.0.0.1", port=int(port), log_config=None, ws="none")


if __name__ == "__main__":
    main(*sys.argv[1:])
