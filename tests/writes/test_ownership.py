"""Which system a field belongs to: what Planhat owns is not taken from rows, and goes back to the system they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Custom, Enduser
from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError, FieldError, ValidationError
from planhat_orm.writes.ownership import _ids

from .conftest import Online

MAPPING: Any = {
    "Id": "source_id",
    "Name": "name",
    "Stage": "phase",
    "CSM": "owner__email",
    "Tier": "custom.Tier",
    "Team": "co_owner_id",
}


class Scored(Company):
    """A company with a figure that goes out."""

    score = Custom("Score", float)


def seed(emulator: Emulator) -> None:
    ada = emulator.store.insert("user", {"email": "Ada@us.example", "firstName": "Ada", "lastName": "L"})["_id"]
    for number, phase in enumerate(("Live", "Lead", "Live")):
        emulator.store.insert("company", {
            "name": f"C{number}", "sourceId": f"crm-{number}", "phase": phase, "owner": ada if number < 2 else None,
            "custom": {"Tier": "A", "Score": 7}})  # fmt: skip


def row(number: int, stage: str | None, csm: str | None, tier: str | None = "A") -> dict[str, Any]:
    return {"Id": f"crm-{number}", "Name": f"C{number}", "Stage": stage, "CSM": csm, "Tier": tier}


def mapping(*columns: str) -> dict[str, Any]:
    return {column: MAPPING[column] for column in ("Id", *columns)}


def test_rows_do_not_change_what_planhat_owns_and_differences_go_back_under_the_rows_columns(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator)
    rows = [
        row(0, "Live", "ada@US.example"),  # the same, as emails compare
        {**row(1, "Live", "ada@us.example"), "Name": "Renamed"},
        row(2, "Live", "gone@us.example"),
    ]
    plan = Company.objects.using(planhat).reconcile(
        rows,
        "source_id",
        mapping("Name", "Stage", "CSM"),
        owner={"phase": "planhat", "owner__email": "planhat", "name": "crm"},
    )
    assert list(plan.outgoing) == [
        {"Id": "crm-1", "Stage": "Lead", "CSM": "Ada@us.example"},
        {"Id": "crm-2", "Stage": "Live", "CSM": None},
    ]
    assert not plan.unresolved
    assert plan.summary() == "create 0, update 1, unchanged 2, delete 0, outgoing 2"
    plan.apply()
    assert [company.phase for company in Company.objects.using(planhat).order_by("source_id")] == [
        "Live",
        "Lead",
        "Live",
    ]
    assert Company.objects.using(planhat).get(source_id="crm-1").name == "Renamed"


def test_once_the_other_system_has_taken_the_rows_nothing_goes_out(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator)
    rows = [row(number, None, None, None) for number in range(3)]
    owner = {"phase": "planhat", "owner": "planhat", "custom.Tier": "planhat"}
    for outgoing in (3, 0):
        plan = Company.objects.using(planhat).reconcile(
            rows, "source_id", mapping("Name", "Stage", "CSM", "Tier"), owner=owner
        )
        assert (len(plan.outgoing), plan.plan.requests) == (outgoing, 0)
        for given, taken in zip(rows, plan.outgoing, strict=False):
            given.update(taken)


def test_a_new_record_begins_with_the_rows_value(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator)
    plan = Company.objects.using(planhat).reconcile(
        [row(9, "Lead", "ada@us.example")], "source_id", mapping("Name", "Stage", "CSM"),
        owner={"phase": "planhat", "owner__email": "planhat"},
    )  # fmt: skip
    assert (plan.creates[0].phase, len(plan.outgoing)) == ("Lead", 0)
    plan.apply()
    created = Company.objects.using(planhat).get(source_id="crm-9")
    assert created.owner is not None and created.owner.email == "Ada@us.example"


def test_a_column_that_a_row_does_not_have_says_nothing(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator)
    rows = [{"Id": "crm-0"}, {"Id": "crm-1", "Stage": "Live"}]
    plan = Company.objects.using(planhat).reconcile(rows, "source_id", mapping("Stage"), owner={"phase": "planhat"})
    assert [item["Id"] for item in plan.outgoing] == ["crm-1"]


def test_what_planhat_computes_may_go_out(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator)
    emulator.store.insert("company", {"name": "C5", "sourceId": "crm-5", "h": 8})
    rows = [{"Id": f"crm-{number}", "Name": f"C{number}", "Health": "3"} for number in (5, 6)]
    columns = {"Id": "source_id", "Name": "name", "Health": "h"}
    plan = Company.objects.using(planhat).reconcile(rows, "source_id", columns, owner={"h": "planhat"})
    assert list(plan.outgoing) == [{"Id": "crm-5", "Health": 8}]
    assert (len(plan.creates), len(plan.updates)) == (1, 0)


def test_outgoing_rows_become_a_csv_file_and_frames(online: Online, tmp_path: Path) -> None:
    emulator, planhat = online()
    seed(emulator)
    emulator.store.insert("company", {"name": "C4", "sourceId": "crm-4", "phase": "=1+1", "custom": {"Score": 2.5}})
    plan = Scored.objects.using(planhat).reconcile(
        [{"Id": "crm-0", "Stage": "", "Score": None}, {"Id": "crm-4", "Stage": "x", "Score": 1}], "source_id",
        {"Id": "source_id", "Stage": "phase", "Score": "score"}, owner={"phase": "planhat", "score": "planhat"},
    )  # fmt: skip
    file = tmp_path / "out.csv"
    plan.outgoing.to_csv(file)
    assert file.read_bytes().decode() == "Id,Stage,Score\r\ncrm-0,Live,7\r\ncrm-4,'=1+1,2.5\r\n"
    with pytest.raises(ConfigurationError, match="exists"):
        plan.outgoing.to_csv(file)
    plan.outgoing.to_csv(file, overwrite=True)
    pytest.importorskip("polars")
    assert plan.outgoing.to_polars().rows() == [("crm-0", "Live", 7.0), ("crm-4", "=1+1", 2.5)]
    assert plan.outgoing.to_pandas()["Stage"].tolist() == ["Live", "=1+1"]


def test_keys_of_related_records_cost_one_list_and_none_with_a_mirror(online: Online, tmp_path: Path) -> None:
    emulator, planhat = online()
    seed(emulator)
    emulator.log.clear()
    rows = [row(number, None, None) for number in range(3)]
    Company.objects.using(planhat).reconcile(rows, "source_id", mapping("CSM"), owner={"owner__email": "planhat"})
    assert {call.path for call in emulator.log} == {"/companies", "/users"}


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        ({"source_id": "planhat"}, "no system owns it"),
        ({"mrr": "planhat"}, "no column goes there"),
        ({"phse": "planhat"}, "phase"),
        ({"phase": 5}, "takes text"),
        ({"name": "planhat"}, "cannot be turned back"),
    ],
)
def test_what_cannot_be_owned_is_refused_before_anything_is_sent(online: Online, owner: Any, message: str) -> None:
    emulator, planhat = online()
    seed(emulator)
    emulator.log.clear()
    with pytest.raises((FieldError, ValidationError), match=message):
        Company.objects.using(planhat).reconcile(
            [row(0, "Live", None)], "source_id",
            {"Id": "source_id", "Stage": "phase", "Name": ("name", str.strip)}, owner=owner,
        )  # fmt: skip
    assert not list(emulator.log)


def test_a_related_record_without_the_key_empties_nothing(online: Online) -> None:
    emulator, planhat = online()
    nameless = emulator.store.insert("user", {"firstName": "No", "lastName": "Mail"})["_id"]
    emulator.store.insert("company", {"name": "C0", "sourceId": "crm-0", "owner": nameless, "phase": "Live"})
    plan = Company.objects.using(planhat).reconcile(
        [row(0, "Lead", "ada@us.example")], "source_id", mapping("Stage", "CSM"),
        owner={"phase": "planhat", "owner__email": "planhat"},
    )  # fmt: skip
    assert list(plan.outgoing) == [{"Id": "crm-0", "Stage": "Live", "CSM": "ada@us.example"}]


def test_an_owner_that_a_list_expands_is_the_owner_all_the_same() -> None:
    assert _ids({"_id": "a", "name": "Ada"}) == _ids("a") == _ids(["a"]) == _ids([{"_id": "a"}]) == ["a"]
    assert _ids(None) == _ids("") == _ids({}) == _ids([{}]) == []


def test_it_is_for_every_model(online: Online) -> None:
    emulator, planhat = online()
    seed(emulator)
    company = Company.objects.using(planhat).get(source_id="crm-0")
    emulator.store.insert("enduser", {"email": "A@x.example", "companyId": company.id, "position": "CTO"})
    plan = Enduser.objects.using(planhat).reconcile(
        [{"Mail": "a@X.example", "Title": "CEO", "Account": "crm-1"}], "email",
        {"Mail": "email", "Title": "position", "Account": "company__source_id"},
        owner={"position": "planhat", "company": "planhat"},
    )  # fmt: skip
    assert list(plan.outgoing) == [{"Mail": "a@X.example", "Title": "CTO", "Account": "crm-0"}]
