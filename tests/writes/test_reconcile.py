"""Rows of another system against what is there: only what differs is sent, and the second time nothing."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Custom, Enduser
from planhat_orm.emulator import Emulator
from planhat_orm.errors import BulkError, FieldError, ValidationError
from tests.scale import sized

from .conftest import Online

K = sized(10, 100)
"""A hundred, or ten where nobody has the time."""


class Account(Company):
    """A company with the fields that the CRM keeps."""

    tier = Custom("Tier", str, choices=("A", "B", "C"))
    seats = Custom("Seats", int)
    go_live = Custom("Go-live", date)
    vip = Custom("VIP", bool)


def seed(emulator: Emulator, count: int) -> None:
    for n in range(count):
        emulator.store.insert("company", {
            "name": f"C{n}", "sourceId": f"crm-{n}", "phase": "Live", "custom": {"Tier": "A", "Seats": n}})  # fmt: skip


def rows(count: int, changed: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": f"crm-{n}", "title": f"C{n}", "stage": "Renewal" if n < changed else "Live", "seats": n}
        for n in range(count)
    ]


MAPPING: Any = {"id": "source_id", "title": "name", "stage": ("phase", str.strip), "seats": "seats"}


def test_20000_rows_of_which_200_changed_are_one_upsert_of_200_and_then_nothing(online: Online) -> None:
    emulator, planhat = online()
    many, few = 200 * K, 2 * K
    with emulator.store.lock:
        seed(emulator, many)
    plan = Account.objects.using(planhat).reconcile(rows(many, few), key="source_id", mapping=MAPPING)
    assert plan.summary() == f"create 0, update {few}, unchanged {many - few}, delete 0"
    assert plan.plan.requests == 1
    emulator.log.clear()
    assert str(plan.apply()) == f"updated {few}, in 1 request"
    [call] = list(emulator.log)
    assert (call.method, call.rows) == ("PUT", few)
    again = Account.objects.using(planhat).reconcile(rows(many, few), key="source_id", mapping=MAPPING)
    emulator.log.clear()
    assert again.summary() == f"create 0, update 0, unchanged {many}, delete 0"
    assert str(again.apply()) == "nothing to send, in 0 requests" and emulator.calls == 0


def test_only_the_keys_that_differ_travel(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator, 3)
    bodies: list[Any] = []
    planhat.on("request", lambda request: bodies.append(request.body))
    Account.objects.using(planhat).reconcile(rows(4, 1), key="source_id", mapping=MAPPING).apply()
    import msgspec

    sent = sorted(msgspec.json.decode(bodies[-1]), key=lambda row: "_id" in row)
    id = next(row["_id"] for row in emulator.store.all("company") if row["sourceId"] == "crm-0")
    assert sent == [
        {"sourceId": "crm-3", "name": "C3", "phase": "Live", "custom": {"Seats": 3}},
        {"_id": id, "phase": "Renewal"},
    ]


def test_a_file_of_text_is_read_by_the_kinds_of_the_fields(online: Online, tmp_path: Path) -> None:
    emulator, planhat = online()
    seed(emulator, 2)
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["source_id", "seats", "go_live", "tags", "vip"])
    out.writerow(["crm-0", "0", "2026-07-01", "a; b", "yes"])
    out.writerow(["crm-1", "", "", "", ""])
    (tmp_path / "a.csv").write_text(text.getvalue(), "utf-8")
    objects = Account.objects.using(planhat)
    plan = objects.reconcile(tmp_path / "a.csv", key="source_id")
    assert (len(plan.updates), plan.unchanged) == (1, 1), "an empty cell leaves the field alone"
    plan.apply()
    stored = {row["sourceId"]: row for row in emulator.store.all("company")}
    assert stored["crm-0"]["custom"]["Go-live"] == (date(2026, 7, 1) - date(1970, 1, 1)).days
    assert stored["crm-0"]["tags"] == ["a", "b"] and stored["crm-0"]["custom"]["VIP"] is True
    objects.reconcile(tmp_path / "a.csv", key="source_id", empty="clear").apply()
    cleared = {row["sourceId"]: row for row in emulator.store.all("company")}["crm-1"]
    assert cleared["custom"].get("Seats") is None
    assert str(objects.reconcile(tmp_path / "a.csv", key="source_id", empty="clear").summary()).endswith("delete 0")


def test_contacts_are_matched_by_email_without_regard_to_case(online: Online) -> None:
    emulator, planhat = online()
    id = emulator.store.insert("company", {"name": "A"})["_id"]
    emulator.store.insert("enduser", {"companyId": id, "email": "Ada@a.example", "firstName": "Ada"})
    given = [{"email": "ada@A.example", "first_name": "Augusta"}]
    Enduser.objects.using(planhat).reconcile(given, key="email").apply()
    [stored] = emulator.store.all("enduser")
    assert stored["firstName"] == "Augusta"
    assert Enduser.objects.using(planhat).reconcile(given, key="email").unchanged == 1


def test_data_frames_and_json_lines_are_rows_too(online: Online, tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    pd = pytest.importorskip("pandas")
    emulator, planhat = online()
    seed(emulator, 2)
    (tmp_path / "a.jsonl").write_text('{"source_id": "crm-0", "seats": 9}\n\n', "utf-8")
    frame = {"source_id": ["crm-0", "crm-1"], "seats": [9, None]}
    for given in (tmp_path / "a.jsonl", pl.DataFrame(frame), pd.DataFrame(frame)):
        plan = Account.objects.using(planhat).reconcile(given, key="source_id")
        assert [(update.source_id, update.seats) for update in plan.updates] == [("crm-0", 9)]


def test_deletions_only_when_asked_only_of_the_queryset_and_never_without_the_key(online: Online) -> None:
    emulator, planhat = online(scan="allow")
    seed(emulator, 3)
    emulator.store.insert("company", {"name": "No key"})
    emulator.store.insert("company", {"name": "Other", "sourceId": "erp-1"})
    chosen = Account.objects.using(planhat).filter(source_id__startswith="crm")
    assert chosen.reconcile(rows(2), key="source_id", mapping=MAPPING).deletions == []
    plan = chosen.reconcile(rows(2), key="source_id", mapping=MAPPING, delete=True)
    assert [deletion.source_id for deletion in plan.deletions] == ["crm-2"]
    assert "delete" in plan.to_json() and plan.plan.requests == 1
    assert len(plan.apply().deleted) == 1
    assert sorted(row["name"] for row in emulator.store.all("company")) == ["C0", "C1", "No key", "Other"]


def test_all_that_is_wrong_is_named_at_once_and_nothing_is_sent(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator, 2)
    emulator.store.insert("company", {"name": "Twin", "sourceId": "crm-1"})
    objects = Account.objects.using(planhat)
    with pytest.raises(ValidationError, match=r"row 1 has no source_id; row 0 and row 2 have the same source_id"):
        objects.reconcile([{"source_id": "crm-0"}, {"seats": 1}, {"source_id": "crm-0"}], key="source_id")
    with pytest.raises(ValidationError, match="row 0: 2 records have its source_id already; row 1: tier has no choice"):
        objects.reconcile(
            [{"source_id": "crm-1", "seats": 5}, {"source_id": "crm-0", "tier": "D"}, {"source_id": "n", "name": "N"}],
            key="source_id",
        )
    with pytest.raises(ValidationError, match="needs name"):
        objects.reconcile([{"source_id": "new"}], key="source_id")
    for mapping, word in (({"a": "source_id"}, "column 'a'"), ({"source_id": "mrr"}, "read-only"), ({}, "No column")):
        with pytest.raises(FieldError, match=word):
            objects.reconcile([{"source_id": "x"}], key="source_id", mapping=mapping)
    with pytest.raises(FieldError, match="cannot be matched by 'name'"):
        objects.reconcile([{"name": "x"}], key="name")
    assert emulator.log.count("PUT") == 0


def test_rows_that_the_server_refuses_are_named(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator, 2)
    emulator.refuse("company", lambda row: "no such stage" if row.get("phase") == "Renewal" else None)
    plan = Account.objects.using(planhat).reconcile(rows(2, 1) + rows(3)[2:], key="source_id", mapping=MAPPING)
    with pytest.raises(BulkError) as caught:
        plan.apply()
    assert [(row.object.source_id, row.error) for row in caught.value.result.failed] == [("crm-0", "no such stage")]
    assert len(caught.value.result.created) == 1
