"""peewee: `insert_many` in a transaction a page; `iterator()`, `dicts()`, `tuples()` and `get()` for reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..run import Job, run_and_print
from .company import BOOLEANS, DATES, KEY, LISTS, NUMBERS, OBJECTS, TEXTS, keys, pages

_VARIABLES = 32_000
"""How many values a statement of SQLite takes, about."""


def _model(where: str) -> Any:
    import peewee
    from playhouse.sqlite_ext import JSONField

    database = peewee.SqliteDatabase(where, pragmas={"journal_mode": "wal", "synchronous": "normal"})
    kinds = (
        (TEXTS, peewee.TextField),
        (NUMBERS, peewee.FloatField),
        (BOOLEANS, peewee.BooleanField),
        (DATES, peewee.DateTimeField),
        (LISTS + OBJECTS, JSONField),
    )
    fields = {name: kind(null=True, index=name == KEY) for names, kind in kinds for name in names}
    meta = type("Meta", (), {"database": database, "table_name": "company"})
    body = {"id": peewee.TextField(primary_key=True), **fields, "Meta": meta, "__module__": __name__}
    return type(peewee.Model)("Company", (peewee.Model,), body)


def store(url: str, where: str, rows: str) -> Job:
    import orjson
    from peewee import chunked

    company = _model(where)
    company._meta.database.create_tables([company])
    names = TEXTS + NUMBERS + BOOLEANS + DATES + LISTS + OBJECTS
    several = _VARIABLES // (len(names) + 1)

    def job() -> dict[str, Any]:
        from datetime import datetime

        def made(wire: dict[str, Any]) -> tuple[Any, ...]:
            # Its field reads no zone: with one, it would give texts.
            dates = [datetime.fromisoformat(wire[name][:-1]) if wire.get(name) else None for name in DATES]
            others = [wire.get(name) for name in TEXTS + NUMBERS + BOOLEANS]
            return (wire["_id"], *others, *dates, *[wire.get(name) for name in LISTS + OBJECTS])

        fields = [company.id, *[getattr(company, name) for name in names]]
        for page in pages(url, orjson.loads):
            with company._meta.database.atomic():
                for chunk in chunked(map(made, page), several):
                    company.insert_many(chunk, fields=fields).execute()
        return {"rows": company.select().count()}

    return job


def _reading(where: str, read: Callable[[Any], Any]) -> Job:
    company = _model(where)
    company.select().first()
    return lambda: {"rows": len(read(company))}


def objects(url: str, where: str, rows: str) -> Job:
    return _reading(
        where,
        lambda company: [
            (item.name, item.mrr, item.updatedAt) for item in company.select().order_by(company.id).iterator()
        ],
    )


def _three(company: Any) -> Any:
    return company.select(company.name, company.mrr, company.updatedAt).order_by(company.id)


def only(url: str, where: str, rows: str) -> Job:
    return _reading(
        where, lambda company: [(item.name, item.mrr, item.updatedAt) for item in _three(company).iterator()]
    )


def values(url: str, where: str, rows: str) -> Job:
    return _reading(where, lambda company: list(_three(company).dicts()))


def values_list(url: str, where: str, rows: str) -> Job:
    return _reading(where, lambda company: list(_three(company).tuples()))


def get(url: str, where: str, rows: str) -> Job:
    drawn = keys(int(rows))
    return _reading(where, lambda company: [company.get(company.externalId == key).name for key in drawn])


if __name__ == "__main__":
    jobs = (store, objects, only, values, values_list, get)
    run_and_print({job.__name__: job for job in jobs})
