"""Many writers at once, and finding the few changed among many: one record for a key, one upsert for the changes."""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from planhat_orm import Company
from planhat_orm.models.state import Origin
from tests.scale import sized

from .conftest import Online

K = sized(100, 1000)
"""A thousand, or a hundred where nobody has the time."""


def test_eight_threads_that_write_the_same_keys_make_each_record_once(online: Online) -> None:
    emulator, planhat = online()
    keys = [f"k-{n}" for n in range(25)]
    wrong: list[BaseException] = []
    gate = threading.Barrier(8)

    def work(number: int) -> None:
        try:
            gate.wait()
            Company.objects.using(planhat).bulk_upsert(
                [{"external_id": key, "name": f"{key} of {number}"} for key in keys]
            )
            for key in keys[number::8]:
                Company.objects.using(planhat).update_or_create(external_id=key, defaults={"phase": f"by {number}"})
            with planhat.batch():
                for key in keys:
                    Company(external_id=key, name=f"{key} again").save(using=planhat)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    rows = emulator.store.all("company")
    assert sorted(row["externalId"] for row in rows) == sorted(keys)
    assert {row["phase"] for row in rows} == {f"by {n}" for n in range(8)}
    if planhat.settings.mirror:
        assert not len(planhat.mirror.outbox)


def test_of_100000_loaded_companies_1000_changed_are_one_upsert_of_just_their_changed_keys(online: Online) -> None:
    emulator, planhat = online()
    ids = [emulator.store.insert("company", {"name": f"C{n}"})["_id"] for n in range(1000)]
    sample = emulator.store.all("company")[0]
    origin = Origin(None, "api")
    loaded = [Company.from_wire({**sample, "_id": f"{n:024x}"}, origin) for n in range(99 * K)]
    loaded[500:500] = [Company.from_wire({**sample, "_id": id}, origin) for id in ids]
    for company in loaded:
        assert company.tags == []  # reading, lists too, is no change
    for n, company in enumerate(loaded[500:1500]):
        company.phase = "Moved"
        if n % 2:
            company.custom["Tier"] = "A"
    bodies: list[Any] = []
    planhat.on("request", lambda request: bodies.append((request.method, request.body)))
    result = planhat.save_all(loaded)
    assert (len(result.updated), len(result.unchanged)) == (1000, 99 * K)
    [(method, body)] = bodies
    rows = msgspec.json.decode(body)
    assert method == "PUT" and len(rows) == 1000
    assert {tuple(sorted(row)) for row in rows} == {("_id", "phase"), ("_id", "custom", "phase")}
    assert not any(company.changes() for company in loaded[500:1500])
