"""A process with a part of a quota: it makes calls, or takes jobs from a table of a PostgreSQL database.

    python -m tests.mirror.quota_worker calls URL MIRROR SPEED CALLS_PER_MIN COUNT
    python -m tests.mirror.quota_worker jobs URL MIRROR SPEED CALLS_PER_MIN DATABASE

It says "ready" and begins when a line comes. A job is a company whose phase is to be "done". Who has it in hand holds the lock of its row, so
those of a process that is killed are free at once; then the record tells whether it was written.
"""

from __future__ import annotations

import sys
import threading

from planhat_orm import Company, Planhat
from planhat_orm.http.clock import Clock

THREADS = 3
TAKE = "SELECT id FROM job WHERE NOT done LIMIT 1 FOR UPDATE SKIP LOCKED"
LEFT = "SELECT count(*) FROM job WHERE NOT done"


def work(database: str) -> None:
    """Do jobs until none is left, those of the dead too."""
    import psycopg

    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        while True:
            row = connection.execute(TAKE).fetchone()
            if row is None:
                if connection.execute(LEFT).fetchone() == (0,):
                    return
                connection.rollback()
                threading.Event().wait(0.02)
                continue
            company = Company.objects.get(row[0])
            company.phase = "done"
            company.save()
            connection.execute("UPDATE job SET done = true WHERE id = %s", row)
            connection.commit()


def main(kind: str, url: str, mirror: str, speed: str, calls_per_min: str, more: str) -> None:
    clock = Clock(float(speed))
    with Planhat("test-token", api_url=url, mirror=mirror, clock=clock, calls_per_min=float(calls_per_min)) as planhat:
        print("ready", flush=True)
        sys.stdin.readline()
        if kind == "calls":
            for _ in range(int(more)):
                planhat.company.get_lean_list()
            return
        with planhat.threads(THREADS) as pool:
            for job in [pool.submit(work, more) for _ in range(THREADS)]:
                job.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
