"""Search, export, backup, views, metrics: on SQLite and on PostgreSQL where both have it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from typing import Any

from planhat_orm.emulator import Emulator
from planhat_orm.fields import Custom
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import state
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Store
from planhat_orm.models.resources import Company
from planhat_orm.query import kinds
from planhat_orm.query.query import Query
from planhat_orm.query.tree import Figure, Target
from planhat_orm.query.tree import Test as Leaf

from .conftest import Runner


class Searched(Company):
    tier = Custom("Tier", str, index=True)
    seats = Custom("Seats: paid", float, index=True)


def put(mirror: Mirror, name: str, *rows: dict[str, Any]) -> None:
    with mirror.database.writing() as connection:
        if not state.load(connection, name).complete:
            state.save(connection, state.State(name, complete=True, as_of="2026-06-01T00:00:00.000Z"))
        Store(connection, layout_for(name), postgres=mirror.database.postgres).put(rows)


def test_search_finds_words_ranked_with_snippets(either: Mirror) -> None:
    put(
        either,
        "company",
        {"_id": "c1", "name": "Renewal Labs"},
        {"_id": "c2", "name": "Acme", "description": "A renewal <b>at risk</b>"},
    )
    put(
        either,
        "conversation",
        {"_id": "v1", "subject": "Call", "description": "<p>They see a <i>renewal</i> &amp; risk</p>"},
    )
    put(either, "enduser", {"_id": "e1", "name": "Renewal Risk", "archived": True})
    assert [hit.id for hit in either.search("renewal", ["company"])] == ["c1", "c2"]
    hits = either.search("Renew risk")
    assert {(hit.model, hit.id) for hit in hits} == {("company", "c2"), ("conversation", "v1")}
    [call] = either.search("risk", ["conversation"])
    assert (call.title, call.snippet) == ("Call", "They see a renewal & [risk]")
    assert "risk" not in repr(call)
    assert either.search("") == [] and either.search('"*') == [] and either.search("nowhere") == []
    assert len(either.search("renewal", limit=1)) == 1


def test_the_index_follows_every_write(either: Mirror) -> None:
    either.search("x")
    chance = random.Random(7)
    words = ["alpha", "beta", "gamma", "delta"]
    rows: dict[str, dict[str, Any]] = {}
    for _ in range(60):
        id = f"c{chance.randrange(15)}"
        if id in rows and chance.random() < 0.3:
            del rows[id]
            either.remove("company", [id])
        else:
            rows[id] = {"_id": id, "name": " ".join(chance.sample(words, 2)), "phase": str(chance.random())}
            put(either, "company", rows[id])
        either.search("alpha")
    for word in words:
        assert {hit.id for hit in either.search(word)} == {id for id, row in rows.items() if word in row["name"]}
    if not either.database.postgres:
        with either.database.writing() as connection:
            connection.exec_driver_sql("INSERT INTO search__company(search__company) VALUES('integrity-check')")


def test_a_declared_index_serves_the_query(either: Mirror) -> None:
    put(either, "company", *({"_id": f"c{n}", "custom": {"Tier": "AB"[n % 2], "Seats: paid": n}} for n in range(50)))
    from planhat_orm.mirror.sharing import custom_fields

    custom_fields.index(either.database, ["company"])
    custom_fields.index(either.database, ["company"])
    tier = Query("company", where=Leaf(Target("tier", ("custom", "Tier"), kinds.TEXT), "exact", "A"))
    assert len(Runner().rows(either.source.pages(tier))) == 25
    if not either.database.postgres:
        seats = Query("company", where=Leaf(Target("s", ("custom", "Seats: paid"), kinds.NUMBER), "gte", 40.0))
        for query in (tier, seats):
            with either.database.reading() as connection:
                statement = either.source._reader(connection, query).count(query)
                compiled = statement.compile(either.engine, compile_kwargs={"literal_binds": True})
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
            assert any("USING INDEX custom__company__" in row[-1] for row in plan), plan


def test_metric_values_are_mirrored_by_day(make_emulator: Callable[..., Emulator], either: Mirror) -> None:
    emulator = make_emulator(page_cap=7)
    company = emulator.store.insert("company", {"name": "C"})["_id"]

    def value(day: str, number: float) -> None:
        emulator.store.insert(
            "metric",
            {
                "dimensionId": "logins",
                "time": f"{day}T00:00:00.000Z",
                "value": number,
                "model": "Company",
                "parentId": company,
                "companyId": company,
            },
        )

    for day in range(1, 29):
        value(f"2026-05-{day:02d}", day)
    run = Runner(emulator.url)
    first = run(either.sync("Metric"))["metric"]
    assert (first.new, first.method) == (28, "by day")
    value("2026-05-31", 31)
    value("2026-06-01", 1)
    second = run(either.sync("Metric"))["metric"]
    assert (second.new, second.changed) == (2, 0) and second.requests <= 3
    may = Query("metric", where=Leaf(Target("time", ("time",), kinds.DATETIME), "lt", "2026-06-01T00:00:00.000Z"))
    total = Figure("sum", Target("value", ("value",), kinds.NUMBER))
    asked = may.changed(groups=(), annotations=(("n", Figure("count")), ("sum", total)))
    [figures] = run.rows(either.source.pages(asked))
    assert figures == {"n": 29, "sum": sum(range(1, 29)) + 31}


def test_the_database_is_a_plain_sqlite_file(mirror: Mirror) -> None:
    put(mirror, "company", {"_id": "c1", "name": "Acme", "custom": {"Tier": "A"}})
    mirror.search("acme")
    mirror.close()
    with sqlite3.connect(str(mirror.where)) as other:
        assert other.execute("SELECT custom ->> '$.Tier' FROM company WHERE name = 'Acme'").fetchall() == [("A",)]
        other.execute("UPDATE company SET name = 'Bcme'")
    other.close()
    assert [hit.id for hit in mirror.search("bcme")] == ["c1"]
