"""The jobs that are measured in a process of their own: `python -m tests.benchmarks.jobs JOB ...` prints a `Run`.

Each imports what it needs, and nothing else, before its time begins: the most memory that it held is all its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout, suppress
from io import StringIO
from typing import Any, Literal

import msgspec

from .run import Job, peak_memory, run_and_print


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


def fetch(url: str, limit: str, path: str = "companies") -> Job:
    """Fetch every page of the list and throw it away: what no client can do without."""

    def job() -> dict[str, Any]:
        sizes = [len(page) for page in pages(url, int(limit), path)]
        return {"requests": len(sizes), "bytes": sum(sizes)}

    return job


def plain(url: str, where: str, limit: str, path: str = "companies") -> Job:
    """The fastest script that a good engineer would write for it: http.client, msgspec, one executemany a page.

    Its table has the columns that occur, and a statement names those of its page: each None that is bound takes as
    long as a value. It keeps nested JSON as text. It has no hash and no index, proves nothing about its pages, cannot
    be continued, and loses a key that a later page shows in another type.
    """
    import sqlite3

    database = sqlite3.connect(where)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE record (_id TEXT PRIMARY KEY)")
    made = {"_id"}

    def job() -> dict[str, Any]:
        requests = rows = size = 0
        for body in pages(url, int(limit), path):
            page = msgspec.json.decode(body)
            names = list(dict.fromkeys(name for record in page for name in record))
            for name in names:
                if name not in made:
                    made.add(name)
                    database.execute(f'ALTER TABLE record ADD COLUMN "{name}"')
            listed = ", ".join(f'"{name}"' for name in names)
            with database:
                database.executemany(
                    f"INSERT INTO record ({listed}) VALUES ({', '.join('?' * len(names))})", _cells(page, names)
                )
            requests, rows, size = requests + 1, rows + len(page), size + len(body)
        database.close()
        return {"requests": requests, "rows": rows, "bytes": size}

    return job


def copy(url: str, where: str, limit: str) -> Job:
    """The same into PostgreSQL: one COPY a page, of the columns that occur, with the types that they have."""
    import psycopg
    from psycopg import sql

    types = {bool: "boolean", int: "double precision", float: "double precision", dict: "jsonb", list: "jsonb"}
    database = psycopg.connect(where)
    database.execute("CREATE TABLE record (_id text PRIMARY KEY)")
    made = {"_id"}

    def job() -> dict[str, Any]:
        requests = rows = size = 0
        for body in pages(url, int(limit), "companies"):
            page = msgspec.json.decode(body)
            values = {name: value for record in page for name, value in record.items() if value is not None}
            names = list(values)
            for name in names:
                if name not in made:
                    made.add(name)
                    column = sql.SQL("ALTER TABLE record ADD COLUMN {} {}")  # the type is one of those above
                    kind = sql.SQL(types.get(type(values[name]), "text"))
                    database.execute(column.format(sql.Identifier(name), kind))
            statement = sql.SQL("COPY record ({}) FROM STDIN").format(sql.SQL(", ").join(map(sql.Identifier, names)))
            with database.cursor().copy(statement) as writer:
                for row in _cells(page, names):
                    writer.write_row(row)
            database.commit()
            requests, rows, size = requests + 1, rows + len(page), size + len(body)
        database.close()
        return {"requests": requests, "rows": rows, "bytes": size}

    return job


def _cells(page: list[dict[str, Any]], names: list[str]) -> list[list[Any]]:
    encode = msgspec.json.encode
    return [
        [
            encode(value).decode() if value.__class__ is dict or value.__class__ is list else value
            for value in map(record.get, names)
        ]
        for record in page
    ]


def pages(url: str, limit: int, path: str) -> Iterator[bytes]:
    """The pages of a list as they come."""
    from http.client import HTTPConnection
    from urllib.parse import urlsplit

    with closing(HTTPConnection(urlsplit(url).netloc)) as connection:
        offset = 0
        while True:
            connection.request("GET", f"/{path}?limit={limit}&offset={offset}&sort=_id")
            body = connection.getresponse().read()
            if len(body) <= 2:
                return
            yield body
            offset += limit


def sync(url: str, where: str, how: str, path: str = "companies") -> Job:
    """Sync a list into a mirror; `how` is "full" or "best"."""
    import planhat_orm.http.sending
    import planhat_orm.mirror  # noqa: F401
    from planhat_orm import Company, Conversation, Enduser, Planhat

    if where.startswith("postgresql"):
        import psycopg  # noqa: F401  # as the plain script has it before its time begins

    models = {"companies": Company, "conversations": Conversation, "endusers": Enduser}
    name, model = path.replace("companies", "company").removesuffix("s"), models[path]

    def job() -> dict[str, Any]:
        with Planhat(api_url=url, api_token="test-token", mirror=where, calls_per_min=100_000) as planhat:
            received: list[int] = []
            planhat.on("response", lambda call: received.append(len(call[1].body)))
            report = planhat.sync(model, full=how == "full")[name]
            return {
                "requests": len(received),
                "bytes": sum(received),
                "rows": report.new + report.changed + report.unchanged,
                "new": report.new,
                "changed": report.changed,
                "method": report.method,
            }

    return job


def frame(url: str, where: str, read: Literal["api", "mirror"]) -> Job:
    """Make a polars frame of all companies, of the mirror or of the API, and say what memory that added."""
    from planhat_orm import Company, Planhat

    planhat = Planhat(api_url=url, api_token="test-token", mirror=where, read=read, calls_per_min=100_000, scan="allow")
    with planhat:
        # Once before, so that what is imported and made once is not counted.
        Company.objects.filter(id=FIRST).to_polars()
    before = peak_memory()

    def job() -> dict[str, Any]:
        with planhat:
            made = Company.objects.all().to_polars()
        return {"added": peak_memory() - before, "frame": made.estimated_size(), "rows": made.height}

    return job


FIRST = "65f0c1a2" + 16 * "0"
"""The id of the first record of the lists."""

JOBS: dict[str, Callable[..., Job]] = {
    job.__name__: job for job in (importing, command, fetch, plain, copy, sync, frame)
}

if __name__ == "__main__":
    run_and_print(JOBS)
