"""Django's ORM: `bulk_create` a page; `iterator()`, `only()`, `values()` and `get()` for reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..run import Job, run_and_print
from .company import BOOLEANS, DATES, KEY, LISTS, NAMES, NUMBERS, OBJECTS, TEXTS, keys, pages


def _model(where: str) -> Any:
    import django
    from django.conf import settings

    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": where, "OPTIONS": {"init_command": pragmas}}
    settings.configure(DATABASES={"default": database}, USE_TZ=True)
    django.setup()
    from django.db import models

    kinds = (
        (TEXTS, models.TextField),
        (NUMBERS, models.FloatField),
        (BOOLEANS, models.BooleanField),
        (DATES, models.DateTimeField),
        (LISTS + OBJECTS, models.JSONField),
    )
    fields = {name: kind(null=True, db_index=name == KEY) for names, kind in kinds for name in names}
    meta = type("Meta", (), {"app_label": "peers", "db_table": "company"})
    body = {"id": models.TextField(primary_key=True), **fields, "Meta": meta, "__module__": __name__}
    return type("Company", (models.Model,), body)


def store(url: str, where: str, rows: str) -> Job:
    company = _model(where)
    import orjson
    from django.db import connection, transaction
    from django.utils.dateparse import parse_datetime

    with connection.schema_editor() as editor:
        editor.create_model(company)
    plain = TEXTS + NUMBERS + BOOLEANS + LISTS + OBJECTS

    def made(wire: dict[str, Any]) -> Any:
        dates = {name: parse_datetime(wire[name]) for name in DATES if wire.get(name)}
        return company(id=wire["_id"], **{name: wire.get(name) for name in plain}, **dates)

    def job() -> dict[str, Any]:
        for page in pages(url, orjson.loads):
            with transaction.atomic():
                company.objects.bulk_create([made(wire) for wire in page])
        return {"rows": company.objects.count()}

    return job


def _reading(where: str, read: Callable[[Any], Any]) -> Job:
    company = _model(where)
    company.objects.first()
    return lambda: {"rows": len(read(company.objects))}


def objects(url: str, where: str, rows: str) -> Job:
    return _reading(
        where, lambda found: [(item.name, item.mrr, item.updatedAt) for item in found.order_by("id").iterator()]
    )


def only(url: str, where: str, rows: str) -> Job:
    return _reading(
        where,
        lambda found: [(item.name, item.mrr, item.updatedAt) for item in found.order_by("id").only(*NAMES).iterator()],
    )


def values(url: str, where: str, rows: str) -> Job:
    return _reading(where, lambda found: list(found.order_by("id").values(*NAMES)))


def values_list(url: str, where: str, rows: str) -> Job:
    return _reading(where, lambda found: list(found.order_by("id").values_list(*NAMES)))


def get(url: str, where: str, rows: str) -> Job:
    drawn = keys(int(rows))
    return _reading(where, lambda found: [found.get(externalId=key).name for key in drawn])


if __name__ == "__main__":
    jobs = (store, objects, only, values, values_list, get)
    run_and_print({job.__name__: job for job in jobs})
