"""Verbs without the `a` inside a running event loop: a warning for each place in the code, which names the twin."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import BlockingWarning, Company, License, Planhat
from tests.other_server import OtherServer

from .conftest import ROWS, Make


@pytest.fixture
def a(make: Make, tmp_path: Path, server: OtherServer) -> Planhat:
    company = server.records("company", account="a")[1]
    server.fill("license", 6, lambda n: {"companyId": company["_id"], "value": 1, "product": "x"}, account="a")
    planhat = make("a", mirror=tmp_path / "a.db").make_default()
    planhat.sync(Company)
    return planhat


def edited() -> Company:
    record = Company.objects.get("extid-a-1")
    record.phase = "x"
    return record


def leave_batch(planhat: Planhat, record: Company) -> None:
    with planhat.batch():
        record.save()


VERBS: dict[str, tuple[Callable[[Planhat, Company], Any], str]] = {
    "get": (lambda planhat, record: Company.objects.get("extid-a-1"), "QuerySet.get() .* await aget()"),
    "count": (lambda planhat, record: Company.objects.count(), "await acount()"),
    "for": (lambda planhat, record: [row.name for row in iter(Company.objects.all())], "Use async for"),
    "list": (lambda planhat, record: list(Company.objects.all()), "Use async for"),
    "bool": (lambda planhat, record: bool(Company.objects.all()), "async for, or aexists()"),
    "index": (lambda planhat, record: Company.objects.all()[0], "async for, or afirst()"),
    "values": (lambda planhat, record: list(Company.objects.values("name")), "Values.* Use async for"),
    "iterator": (lambda planhat, record: list(Company.objects.iterator()), "await aiterator()"),
    "mirror": (lambda planhat, record: list(Company.objects.using("mirror")), "Use async for"),
    "aggregate": (lambda planhat, record: Company.objects.all().to_arrow(), "await ato_arrow()"),
    "update": (lambda planhat, record: Company.objects.update(phase="y"), "await aupdate()"),
    "save": (lambda planhat, record: record.save(), "Company.save() .* await asave()"),
    "refresh": (lambda planhat, record: record.refresh(), "await arefresh()"),
    "delete": (lambda planhat, record: License.objects.first().delete(), "await a(delete|first)()"),  # type: ignore[union-attr]
    "endpoint": (lambda planhat, record: planhat.company.get_by_id("extid-a-1"), "Companies.* await aget_by_id()"),
    "request": (lambda planhat, record: planhat.request("GET", "/companies"), "Planhat.request() .* await arequest()"),
    "save_all": (lambda planhat, record: planhat.save_all([record]), "await asave_all()"),
    "batch": (leave_batch, "Batch.* Use async with"),
    "sync": (lambda planhat, record: planhat.sync(Company), "await a_sync()"),
    "push": (lambda planhat, record: planhat.push(), "await apush()"),
    "reconcile": (
        lambda planhat, record: Company.objects.reconcile([{"external_id": "a-1"}], "external_id"), "await areconcile()",
    ),
    "apply": (
        lambda planhat, record: Company.objects.reconcile([{"external_id": "a-1", "phase": "z"}], "external_id").apply(),
        "await a(apply|reconcile)()",
    ),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_blocks_a_loop_warns_of_it_once_for_each_place(verb: str, a: Planhat) -> None:
    call, expected = VERBS[verb]
    records = [edited() for _ in range(3)]
    with a.offline():
        records[2].save()

    async def run() -> None:
        for _ in range(2):
            call(a, records[0])
        await asyncio.to_thread(call, a, records[1])

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(run())
    met = [warning for warning in caught if warning.category is BlockingWarning]
    assert met and all(warning.filename == __file__ for warning in met)
    assert len(met) == len({(warning.lineno, str(warning.message)) for warning in met})
    assert any(re.search(expected.replace("()", r"\(\)"), str(warning.message)) for warning in met)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(a, records[1])


def test_what_does_not_wait_and_what_waits_as_it_should_warns_of_nothing(a: Planhat) -> None:
    async def run() -> None:
        async with a.batch():
            record = await Company.objects.aget("extid-a-1")
            record.phase = "x"
            record.save()  # held
        async for _ in Company.objects.all():
            pass
        async with a.batch(dry_run=True) as batch:
            record.phase = "y"
            await record.asave()
            batch.plan()
        await a.apush()
        assert [row.name for row in rows] and len(rows) == ROWS  # read before

    rows = Company.objects.all()
    list(rows)
    asyncio.run(run())


def test_a_warning_that_is_made_an_error_leaves_nothing_half_done(a: Planhat, server: OtherServer) -> None:
    async def run() -> None:
        for _ in range(2):
            with pytest.raises(BlockingWarning, match="asave"):
                record.save()

    record, before = edited(), a._session.quota.budget()
    sent = len(server.log)
    asyncio.run(run())
    assert len(server.log) == sent and a._session.quota.budget() == before and not len(a.outbox or ())
    record.save()
    assert not record.changes()
