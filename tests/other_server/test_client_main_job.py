"""The client's main job against a server by another hand: make, find, list, change, upsert, delete, for nine models and two accounts."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest

from planhat_orm import (
    Asset,
    BulkError,
    Company,
    Conversation,
    Enduser,
    Invoice,
    Issue,
    License,
    NotFound,
    Opportunity,
    Planhat,
    Task,
)
from tests.other_server import share
from tests.other_server.conftest import Connect, Start

# Model, resource, its key, how a record is made, what is changed; c stands for the company.
CASES: dict[type[Any], tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    Company: ("company", "external_id", {"name": "N"}, {"phase": "Live"}),
    Enduser: ("enduser", "external_id", {"email": "ada@acme.example", "company_id": "c"}, {"position": "CEO"}),
    License: ("license", "external_id", {"company_id": "c", "currency": "EUR", "value": 5, "from_date": date(2026, 1, 1)}, {"product": "P"}),
    Opportunity: ("opportunity", "external_id", {"company_id": "c", "title": "T"}, {"sales_stage": "Proposal"}),
    Invoice: ("invoice", "ext_id", {"c_id": "c", "currency": "EUR", "invoice_date": date(2026, 5, 1)}, {"product": "P"}),
    Issue: ("issue", "source_id", {"title": "T", "company_ids": ["c"]}, {"priority": "High"}),
    Task: ("task", "source_id", {"company_id": "c", "main_type": "task", "action": "A"}, {"description": "D"}),
    Conversation: ("conversation", "external_id", {"company_id": "c", "subject": "S"}, {"description": "D"}),
    Asset: ("asset", "external_id", {"company_id": "c", "name": "N"}, {"serial_number": "1"}),
}  # fmt: skip
STORED = {"created", "updated", "unchanged"}
EACH = pytest.mark.parametrize("model", CASES, ids=lambda model: str(model.__name__))
MANNERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pages of seven rows": {"page_rows": 7},
    "chunks, compressed, a connection for each": {"chunked": True, "gzip": True, "keep_alive": False},
    "unsorted": {"order": "stable"},
    "partial answers to PUT": {"put_answer": "partial"},
    "no PUT with an id": {"body_id": "refuse"},
    "bulk answers that name little": {"names": "ids", "shuffled": True, "bulk_order": "random"},
    "clocks apart": {"date_offset": 300, "id_offset": -300, "stamp_offset": 60},
    "lists without select": {"select": False, "thin": "none"},
}
CUT_SHORT: dict[str, dict[str, Any]] = {
    "pages of varying length": {"page_rows": 30, "page_rows_vary": True},
    "rows hidden after the limit": {"hidden": share(0.4), "page_rows": 30},
    "pages cut by bytes": {"page_bytes": 3_000},
}


def _pairs(manners: dict[str, dict[str, Any]]) -> list[Any]:
    """Every model with the plain server, and each other manner with three models."""
    models, pairs = list(CASES), []
    for number, (name, manner) in enumerate(manners.items()):
        chosen = models if name == "plain" else [models[(number * 3 + step * 2) % len(models)] for step in range(3)]
        pairs += [pytest.param(model, manner, id=f"{model.__name__}, {name}") for model in chosen]
    return pairs


MANNER = pytest.mark.parametrize(("model", "manner"), _pairs(MANNERS))
LISTED = pytest.mark.parametrize(("model", "manner"), _pairs(MANNERS) + _pairs(CUT_SHORT))


def values(model: type[Any], company: str, number: int = 0) -> dict[str, Any]:
    """A new record, with a key of its own."""
    _, key, given, _ = CASES[model]
    fresh = {name: company if value == "c" else [company] if value == ["c"] else value for name, value in given.items()}
    if "email" in fresh:
        fresh["email"] = f"ada{number}@acme.example"
    return {**fresh, key: f"k-{number}"}


@MANNER
def test_make_find_change_and_delete(connect: Connect, model: type[Any], manner: dict[str, Any]) -> None:
    server, planhat = connect(**manner)
    resource, key, _, change = CASES[model]
    acme = server.write("company", {"name": "Acme"})["_id"]
    with planhat:
        record = model.objects.create(**values(model, acme))
        stored = server.record(resource, record.id)
        assert stored is not None and len(server.requests("POST")) == 1
        record.custom["Tier"] = "A"
        record.save()
        for name, value in change.items():
            setattr(record, name, value)
        record.save()
        assert record.custom["Tier"] == "A" and record.changes() == {}
        assert (
            model.objects.get(**{key: "k-0"}).to_wire()
            == server.record(resource, record.id)
            == model.objects.get(record.id).to_wire()
        )
        stored = server.record(resource, record.id)
        assert stored is not None and stored["custom"] == {"Tier": "A"}
        assert {getattr(model.objects.get(record.id), name) for name in change} == set(change.values())
        record.delete()
        with pytest.raises(NotFound):
            model.objects.get(record.id)
    assert server.record(resource, record.id) is None


@LISTED
def test_a_list_is_whole(connect: Connect, model: type[Any], manner: dict[str, Any]) -> None:
    server, planhat = connect(**manner)
    resource = CASES[model][0]
    acme = server.write("company", {"name": "Acme"})["_id"]
    with planhat:
        made = model.objects.bulk_upsert([values(model, acme, number) for number in range(120)])
        assert made.ok and len(server.records(resource)) == 120 + (model is Company)
        hidden = server.behaviour.hidden or (lambda record: False)
        visible = sorted(record["_id"] for record in server.records(resource) if not hidden(record))
        assert sorted(record.id for record in model.objects.all()) == visible
        assert model.objects.count() == len(visible)


@MANNER
def test_rows_and_batches_tell_what_became_of_each(connect: Connect, model: type[Any], manner: dict[str, Any]) -> None:
    server, planhat = connect(**manner)
    resource, key, _, change = CASES[model]
    acme = server.write("company", {"name": "Acme"})["_id"]
    with planhat:
        model.objects.bulk_upsert([values(model, acme, number) for number in range(6)])
        changed = [{**values(model, acme, number), **change} for number in (0, 1)]
        result = model.objects.bulk_upsert([*changed, values(model, acme, 2), values(model, acme, 9)])
        told = [row.status for row in result]
        assert told == ["updated", "updated", "unchanged", "created"] or ("names" in manner and {*told} <= STORED)
        records = [record for record in model.objects.all() if getattr(record, key)]
        with planhat.batch() as batch:
            for record in records:
                record.custom["Tier"] = "B"
                record.save()
            new = model(**values(model, acme, 10))
            new.save()
        assert batch.result.ok and {row.status for row in batch.result} <= STORED
    stored = server.records(resource)
    assert [r.get("custom") for r in stored if r["_id"] in {record.id for record in records}] == [{"Tier": "B"}] * len(
        records
    )
    assert len([r for r in stored if r["_id"] == new.id]) == 1


@pytest.mark.parametrize("shape", ["string", "message", "index", "index1", "item", "keys", "keyValue", "code", "error"])
def test_a_refused_row_is_told_and_the_rest_stored(connect: Connect, shape: str) -> None:
    server, planhat = connect(error_shapes=(shape,))
    server.write("company", {"name": "Acme", "externalId": "acme"})
    rows = [
        {
            "externalId": f"l-{number}",
            "companyId": "extid-acme" if number != 3 else "extid-nobody",
            "_currency": "EUR",
            "value": 5,
        }
        for number in range(8)
    ]
    with planhat, pytest.raises(BulkError) as failed:
        License.objects.bulk_upsert(rows)
    assert [row.status for row in failed.value.result] == ["created"] * 3 + ["failed"] + ["created"] * 4
    assert len(server.records("license")) == 7


def test_records_refer_to_one_another(connect: Connect) -> None:
    server, planhat = connect()
    with planhat:
        acme = Company.objects.create(name="Acme", external_id="acme", domains=["acme.example"])
        contact = Enduser.objects.create(email="ada@acme.example", first_name="Ada")
        licence = License(
            product="P", currency="EUR", value=12, from_date=datetime(2026, 1, 1, tzinfo=UTC), external_id="l"
        )
        licence.company = acme
        licence.save()
        assert contact.company_id == acme.id and contact.company.name == "Acme"
        assert [record.id for record in acme.licenses] == [licence.id]
        assert [record.id for record in License.objects.filter(company__name="Acme")] == [licence.id]
    assert server.records("license")[0]["companyName"] == "Acme"


def test_two_accounts_stay_apart(start: Start) -> None:
    server = start(accounts={"token-a": "tenant-a", "token-b": "tenant-b"})
    for token in ("token-a", "token-b"):
        with Planhat(**server.settings(token), calls_per_min=1_000_000) as planhat:
            Company.objects.create(name=token, external_id="same")
            planhat.metrics.bulk_insert_metrics([{"dimensionId": "seats", "value": 3, "externalId": "same"}])
            assert [company.name for company in Company.objects.all()] == [token]
        planhat.close()
    for token in ("token-a", "token-b"):
        assert [record["name"] for record in server.records("company", token)] == [token]
        assert len(server.records("metric", token)) == 1
    assert {entry.account for entry in server.log if entry.token} == {"tenant-a", "tenant-b"}


@EACH
def test_the_same_in_tasks(connect: Connect, model: type[Any]) -> None:
    server, planhat = connect(page_rows=9)
    resource, key, _, change = CASES[model]
    acme = server.write("company", {"name": "Acme"})["_id"]

    async def job() -> None:
        with planhat:
            record = await model.objects.acreate(**values(model, acme))
            await model.objects.abulk_upsert([values(model, acme, number) for number in range(1, 30)])
            for name, value in change.items():
                setattr(record, name, value)
            await record.asave()
            found = [record.id async for record in model.objects.all()]
            assert sorted(found) == sorted(stored["_id"] for stored in server.records(resource))
            assert (await model.objects.aget(**{key: "k-0"})).to_wire() == server.record(resource, record.id)
            await record.adelete()
        await planhat.aclose()

    asyncio.run(job())
    assert len(server.records(resource)) == 29 + (model is Company)
