"""The outbox of a mirror in PostgreSQL does the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from planhat_orm import Company, Conversation
from planhat_orm.errors import MirrorError

from .conftest import Start, client


def test_writes_wait_conflict_and_are_pushed_from_postgres(
    start: Start, postgres: Callable[[], str], tmp_path: Path
) -> None:
    emulator, _ = start()
    for n in range(20):
        emulator.store.insert("company", {"name": f"C{n}", "externalId": f"{n:02d}", "phase": "Trial"})
    planhat = client(emulator, tmp_path, mirror=postgres())
    planhat.sync(Company, Conversation)
    with planhat.offline():
        old = list(Company.objects.using(planhat).order_by("external_id"))
        for company in old[:10]:
            company.phase = "Mine"
            company.custom["Tier"] = "A"
        planhat.save_all(old[:10])
        with planhat.batch():
            for company in old[15:]:
                company.delete()
        new = [Company(name=f"N{n}", external_id=f"n-{n}") for n in range(10)]
        planhat.save_all(new)
        planhat.save_all([Conversation(company_id=record.id, subject=str(record.name), type="note") for record in new])
        assert Company.objects.using(planhat).count() == 25
    emulator.store.update("company", str(old[0].id), {"phase": "Theirs"})
    held = planhat.mirror.outbox.claim_session()
    held.reserve()
    with pytest.raises(MirrorError, match="being pushed"):
        planhat.push()
    held.release()
    result = planhat.push()
    assert str(result).startswith("created 20, updated 9, deleted 5, failed 1")
    assert [(conflict.base, conflict.mine, conflict.theirs) for conflict in planhat.mirror.outbox.conflicts()] == [
        ("Trial", "Mine", "Theirs")
    ]
    assert planhat.push(on_conflict="ours").ok and not len(planhat.mirror.outbox)
    shown = {record.id: record.name for record in Company.objects.using(planhat).using("mirror")}
    assert shown == {row["_id"]: row["name"] for row in emulator.store.all("company")}
    assert {row["companyId"] for row in emulator.store.all("conversation")} < shown.keys()
    planhat.close()
