"""The files of another system, run twice: references by its ids, keys spelt oddly, dates, and nothing the second time."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Enduser, FieldError, Opportunity, Planhat, ValidationError
from planhat_orm.emulator import Emulator

from .conftest import Online

pytestmark = pytest.mark.filterwarnings("ignore::planhat_orm.FullScanWarning")
ACCOUNTS = [[f"001{n:015}", f"Account {n}, Inc", f"owner{n % 3}@vendor.example", "13/04/2026"] for n in range(20)]
CONTACTS = [[f"003{n:015}", ACCOUNTS[n % 20][0], f"Person{n}@X.example", f"P{n}"] for n in range(100)]
OPPORTUNITIES = [[f"006{n:015}", ACCOUNTS[n % 20][0], f"Deal {n}", f"{n * 100}.50", "EUR"] for n in range(40)]
FILES: dict[str, tuple[list[str], list[list[str]]]] = {
    "accounts": (["Id", "Name", "Owner.Email", "Review"], ACCOUNTS),
    "contacts": (["Id", "AccountId", "Email", "FirstName"], CONTACTS),
    "opportunities": (["Id", "AccountId", "Name", "Amount", "CurrencyIsoCode"], OPPORTUNITIES),
}
JOBS: list[tuple[Any, str, str, dict[str, Any]]] = [
    (Company, "accounts", "source_id",
     {"Id": "source_id", "Name": "name", "Owner.Email": "owner__email", "Review": "custom.Review"}),
    (Enduser, "contacts", "source_id",
     {"Id": "source_id", "AccountId": "company__source_id", "Email": "email", "FirstName": "first_name"}),
    (Opportunity, "opportunities", "external_id",
     {"Id": "external_id", "AccountId": "company__source_id", "Name": "title", "Amount": "nrr",
      "CurrencyIsoCode": "currency"}),
]  # fmt: skip


def crm(online: Online, folder: Path) -> tuple[Emulator, Planhat]:
    emulator, planhat = online(scan="allow")
    for n in range(3):
        emulator.store.insert("user", {"nickName": f"O{n}", "email": f"Owner{n}@vendor.example"})
    emulator.store.insert("custom_field", {"name": "Review", "parent": "company", "type": "day"})
    for name, (header, rows) in FILES.items():
        with (folder / f"{name}.csv").open("w", encoding="cp1252", newline="") as stream:
            csv.writer(stream, delimiter=";").writerows([header, *rows])
    return emulator, planhat


def run(planhat: Planhat, folder: Path) -> list[str]:
    """Reconcile the three files, parents first, and say what each plan was."""
    summaries = []
    for model, name, key, mapping in JOBS:
        plan = model.objects.using(planhat).reconcile(folder / f"{name}.csv", key=key, mapping=mapping)
        summaries.append(plan.summary())
        plan.apply()
    return summaries


def test_the_second_run_of_a_crms_three_files_sends_nothing(online: Online, tmp_path: Path) -> None:
    emulator, planhat = crm(online, tmp_path)
    assert run(planhat, tmp_path) == [f"create {count}, update 0, unchanged 0, delete 0" for count in (20, 100, 40)]
    companies = {row["sourceId"]: row for row in emulator.store.all("company")}
    owners = {row["_id"]: row["nickName"] for row in emulator.store.all("user")}
    assert owners[companies[ACCOUNTS[4][0]]["owner"]] == "O1" and companies[ACCOUNTS[0][0]]["custom"] == {
        "Review": 20556
    }
    assert {row["companyId"] for row in emulator.store.all("enduser")} == {row["_id"] for row in companies.values()}
    emulator.log.clear()
    assert run(planhat, tmp_path) == [f"create 0, update 0, unchanged {count}, delete 0" for count in (20, 100, 40)]
    assert {call.method for call in emulator.log} <= {"GET"}


def test_a_key_that_names_nobody_leaves_its_row_out_and_deletes_nothing(online: Online, tmp_path: Path) -> None:
    emulator, planhat = crm(online, tmp_path)
    run(planhat, tmp_path)
    objects = Enduser.objects.using(planhat)
    mapping = JOBS[1][3]
    rows = [dict(zip(FILES["contacts"][0], row, strict=True)) for row in CONTACTS]
    rows[7] = {**rows[7], "AccountId": "001-gone", "FirstName": "Changed"}
    rows[8] = {**rows[8], "FirstName": "Changed"}
    plan = objects.reconcile(rows, key="source_id", mapping=mapping, delete=True)
    assert plan.summary() == "create 0, update 1, unchanged 98, delete 0, left out 1"
    [unresolved] = plan.unresolved
    assert str(unresolved) == "row 7, column 'AccountId': no Company has source_id '001-gone'"
    assert str(unresolved) in str(plan)
    emulator.store.insert("company", {"name": "Twin", "sourceId": ACCOUNTS[0][0]})
    plan = objects.reconcile(rows[:1], key="source_id", mapping=mapping)
    assert [item.records for item in plan.unresolved] == [2] and "2 Company records have source_id" in str(plan)


def test_nested_rows_are_reached_by_dots_and_references_may_be_lists(online: Online) -> None:
    emulator, planhat = online(scan="allow")
    ids = [emulator.store.insert("user", {"nickName": n, "email": f"{n}@v.example"})["_id"] for n in "ab"]
    rows = [{"Id": "1", "Owner": {"Email": "A@v.example "}, "name": "A", "Team": "a@v.example; b@v.example"}]
    mapping = {"Id": "source_id", "Owner.Email": "owner__email", "name": "name"}
    Company.objects.using(planhat).reconcile(rows, key="source_id", mapping=mapping).apply()
    [stored] = emulator.store.all("company")
    assert stored["owner"] == ids[0]
    with pytest.raises(FieldError, match="'owner__emial' names no field of User. Did you mean 'owner__email'"):
        Company.objects.using(planhat).reconcile(rows, key="source_id", mapping={**mapping, "Team": "owner__emial"})


# --- keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", ["Åsa-1", " Åsa-1", "Åsa-1 ", unicodedata.normalize("NFD", "Åsa-1")])
@pytest.mark.parametrize("given", ["Åsa-1", "Åsa-1\t", unicodedata.normalize("NFD", " Åsa-1 ")])
def test_a_key_is_the_same_with_blanks_and_in_another_normal_form(online: Online, stored: str, given: str) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "A", "externalId": stored})
    objects = Company.objects.using(planhat)
    objects.reconcile([{"external_id": given, "phase": "Live"}], key="external_id").apply()
    [row] = emulator.store.all("company")
    assert (row["externalId"], row["phase"]) == (stored, "Live")
    assert objects.reconcile([{"external_id": given, "phase": "Live"}], key="external_id").unchanged == 1
    with pytest.raises(ValidationError, match="row 0 and row 1 have the same external_id"):
        objects.reconcile([{"external_id": given}, {"external_id": stored}], key="external_id")


def test_a_new_key_is_stored_without_blanks_and_composed(online: Online) -> None:
    emulator, planhat = online()
    row = {"external_id": unicodedata.normalize("NFD", " Åsa "), "name": "A"}
    Company.objects.using(planhat).reconcile([row], key="external_id").apply()
    assert [row["externalId"] for row in emulator.store.all("company")] == ["Åsa"]


def test_records_are_matched_by_their_id_and_a_wrong_one_is_named(online: Online) -> None:
    emulator, planhat = online()
    id = emulator.store.insert("company", {"name": "A"})["_id"]
    objects = Company.objects.using(planhat)
    objects.reconcile([{"id": id, "phase": "Live"}], key="id").apply()
    assert [row["phase"] for row in emulator.store.all("company")] == ["Live"]
    with pytest.raises(ValidationError, match="row 0: there is no Company with this id"):
        objects.reconcile([{"id": "0" * 24, "phase": "Live"}], key="id")


def test_rows_with_one_key_become_one_on_request_with_a_status_of_their_own(online: Online) -> None:
    emulator, planhat = online()
    rows = [{"external_id": "a", "name": "A", "phase": "Live"}, {"external_id": "a ", "name": "B"}]
    plan = Company.objects.using(planhat).reconcile(rows, key="external_id", duplicates="merge")
    assert plan.summary() == "create 1, update 0, unchanged 0, delete 0, merged 1"
    assert [row.status for row in plan.apply()] == ["created", "merged"]
    assert [(row["name"], row["phase"]) for row in emulator.store.all("company")] == [("B", "Live")]


@pytest.mark.parametrize("key_priority", ["first", "any"])
def test_a_new_contact_with_the_email_of_another_one_takes_nothing_over(online: Online, key_priority: str) -> None:
    emulator, planhat = online(key_priority=key_priority)
    first, second = (emulator.store.insert("company", {"name": name})["_id"] for name in "AB")
    emulator.store.insert("enduser", {"companyId": first, "email": "ada@x.example", "sourceId": "ada@a"})
    rows = [{"source_id": "ada@b", "company_id": second, "email": "Ada@x.example"}]
    objects = Enduser.objects.using(planhat)
    with pytest.raises(ValidationError, match="row 0: its email is that of a record with another source_id"):
        objects.reconcile(rows, key="source_id")
    objects.reconcile([{name: rows[0][name] for name in ("source_id", "company_id")}], key="source_id").apply()
    objects.reconcile(rows, key="source_id").apply()
    stored = {row["sourceId"]: (row["companyId"], row["email"].lower()) for row in emulator.store.all("enduser")}
    assert stored == {"ada@a": (first, "ada@x.example"), "ada@b": (second, "ada@x.example")}


# --- columns --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("source_id,externalId,external_id\n1,2,3\n", "'externalId' and 'external_id' both go to external_id"),
        ("source_id,name\n1,Acme, Inc\n", "a.csv, line 2 has 3 cells"),
        ("source_id,name\n1,A\n\n ,\n,B\n", "line 5 has no source_id"),
        ("source_id,pahse\n1,Live\n", "has no field 'pahse'. Did you mean 'phase'"),
        ("source_id,csm_score\n1,many\n", "line 2, column 'csm_score': must be"),
    ],
)
def test_what_cannot_be_read_is_named_by_line_and_column(
    online: Online, tmp_path: Path, text: str, sentence: str
) -> None:
    _, planhat = online()
    (tmp_path / "a.csv").write_text(text, "utf-8")
    with pytest.raises((ValidationError, FieldError)) as refused:
        Company.objects.using(planhat).reconcile(tmp_path / "a.csv", key="source_id")
    assert sentence in str(refused.value)


def test_a_cell_of_blanks_is_empty(online: Online, tmp_path: Path) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "A", "sourceId": "1", "phase": "Live"})
    (tmp_path / "a.csv").write_text("source_id,phase\n1,  \n", "utf-8")
    objects = Company.objects.using(planhat)
    assert objects.reconcile(tmp_path / "a.csv", key="source_id").unchanged == 1
    [cleared] = objects.reconcile(tmp_path / "a.csv", key="source_id", empty="clear").updates
    assert cleared.phase is None
