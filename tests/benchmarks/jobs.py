"""The jobs that are measured in a process of their own: `python -m tests.benchmarks.jobs JOB ...` prints a `Run`.

Each imports what it needs, and nothing else, before its time begins: the most memory that it held is all its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
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


def fetch(url: str, limit: str) -> Job:
    """Fetch every page of the list and throw it away: what no client can do without."""

    def job() -> dict[str, Any]:
        pages = [len(page) for page in _pages(url, int(limit))]
        return {"requests": len(pages), "bytes": sum(pages)}

    return job


def plain(url: str, path: str, limit: str) -> Job:
    """The plainest script that does it: http.client, msgspec, one executemany for each page.

    It fills the columns that the mirror's table has, with nested JSON as text, and its primary key. It keeps no
    hash, no index, no unknown key and no odd value, proves nothing about its pages, and cannot be continued.
    """
    import sqlite3

    from planhat_orm.mirror.db.layout import layout_for

    columns = layout_for("company").columns
    wires = [column.wire for column in columns]
    names = ", ".join(f'"{column.name}"' for column in columns)
    encode = msgspec.json.encode
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    kinds = {"text": "TEXT", "number": "NUMERIC", "integer": "INTEGER", "boolean": "BOOLEAN", "json": "TEXT"}
    made = ", ".join(
        f'"{column.name}" {kinds[column.storage]}{" PRIMARY KEY" if column.wire == "_id" else ""}' for column in columns
    )
    database.execute(f"CREATE TABLE company ({made})")
    statement = f"INSERT INTO company ({names}) VALUES ({', '.join('?' * len(columns))})"
    cells = [column.storage == "json" for column in columns]

    def job() -> dict[str, Any]:
        requests = rows = size = 0
        for body in _pages(url, int(limit)):
            page = msgspec.json.decode(body)
            values = []
            for record in page:
                found = map(record.get, wires)
                values.append(
                    [
                        encode(value).decode() if is_cell and value is not None else value
                        for value, is_cell in zip(found, cells, strict=True)
                    ]
                )
            with database:
                database.executemany(statement, values)
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
    import planhat_orm.http.drivers
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


JOBS: dict[str, Callable[..., Job]] = {job.__name__: job for job in (importing, fetch, plain, sync)}

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    sys.stdout.buffer.write(msgspec.json.encode(measured(JOBS[name](*arguments))))
