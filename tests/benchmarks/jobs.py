"""The jobs that are measured in a process of their own: `python -m tests.benchmarks.jobs JOB ...` prints a `Run`.

Each imports what it needs, and nothing else, before its time begins: the most memory that it held is all its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout, suppress
from io import StringIO
from typing import Any

import msgspec

from .measure import measured

Job = Callable[[], dict[str, Any]]


def importing(name: str) -> Job:
    """Import a module."""

    def job() -> dict[str, Any]:
        __import__(name)
        return {}

    return job


def command(*arguments: str) -> Job:
    """Run `planhat`, as far as a process does that has just started."""

    def job() -> dict[str, Any]:
        from planhat_orm.cli import main

        # What it says is not the job's.
        with redirect_stdout(StringIO()), suppress(SystemExit):
            main(arguments)
        return {}

    return job


def fetch(url: str, limit: str) -> Job:
    """Fetch every page of the list and throw it away: what no client can do without."""

    def job() -> dict[str, Any]:
        pages = [len(page) for page in _pages(url, int(limit))]
        return {"requests": len(pages), "bytes": sum(pages)}

    return job


def plain(url: str, path: str, limit: str) -> Job:
    """The fastest script that a good engineer would write for it: http.client, msgspec, one executemany a page.

    Its table has the columns that occur, and a statement names those of its page: each None that is bound takes as
    long as a value. It keeps nested JSON as text. It has no hash and no index, proves nothing about its pages, cannot
    be continued, and loses a key that a later page shows in another type.
    """
    import sqlite3

    encode = msgspec.json.encode
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE company (_id TEXT PRIMARY KEY)")
    made = {"_id"}

    def job() -> dict[str, Any]:
        requests = rows = size = 0
        for body in _pages(url, int(limit)):
            page = msgspec.json.decode(body)
            names = list(dict.fromkeys(name for record in page for name in record))
            for name in names:
                if name not in made:
                    made.add(name)
                    database.execute(f'ALTER TABLE company ADD COLUMN "{name}"')
            values = [
                [
                    encode(value).decode() if value.__class__ is dict or value.__class__ is list else value
                    for value in map(record.get, names)
                ]
                for record in page
            ]
            listed = ", ".join(f'"{name}"' for name in names)
            with database:
                database.executemany(f"INSERT INTO company ({listed}) VALUES ({', '.join('?' * len(names))})", values)
            requests, rows, size = requests + 1, rows + len(page), size + len(body)
        database.close()
        return {"requests": requests, "rows": rows, "bytes": size}

    return job


def _pages(url: str, limit: int) -> Iterator[bytes]:
    from http.client import HTTPConnection
    from urllib.parse import urlsplit

    with closing(HTTPConnection(urlsplit(url).netloc)) as connection:
        offset = 0
        while True:
            connection.request("GET", f"/companies?limit={limit}&offset={offset}&sort=_id")
            body = connection.getresponse().read()
            if len(body) <= 2:
                return
            yield body
            offset += limit


def sync(url: str, where: str, how: str) -> Job:
    """Sync companies into a mirror; `how` is "full" or "best"."""
    import planhat_orm.http.sending
    import planhat_orm.mirror  # noqa: F401
    from planhat_orm import Company, Planhat

    def job() -> dict[str, Any]:
        with Planhat(api_url=url, api_token="test-token", mirror=where, calls_per_min=100_000) as planhat:
            received: list[int] = []
            planhat.on("response", lambda call: received.append(len(call[1].body)))
            report = planhat.sync(Company, full=how == "full")["company"]
            return {
                "requests": len(received),
                "bytes": sum(received),
                "rows": report.new + report.changed + report.unchanged,
                "new": report.new,
                "changed": report.changed,
                "method": report.method,
            }

    return job


JOBS: dict[str, Callable[..., Job]] = {job.__name__: job for job in (importing, command, fetch, plain, sync)}

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    sys.stdout.buffer.write(msgspec.json.encode(measured(JOBS[name](*arguments))))
