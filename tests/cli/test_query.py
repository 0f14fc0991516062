"""`planhat query` and `planhat show`. They change nothing, so the tests here share a tenant and a mirror's file."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from planhat_orm import Company, License, Planhat
from planhat_orm.emulator import Emulator

from .conftest import TENANT, TOKEN, Result, Run


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with Emulator(30, api_token=TOKEN, tenant_token=TENANT) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def copy(shared: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("query") / "planhat.db"
    with Planhat(TOKEN, TENANT, api_url=shared.url, mirror=path) as planhat:
        planhat.sync(Company, License)
    return path


@pytest.fixture
def tenant(shared: Emulator) -> Emulator:
    shared.log.clear()
    return shared


@pytest.fixture
def synced(connected: Run, copy: Path) -> Run:
    shutil.copy(copy, "planhat.db")
    return connected


def jsonl(shown: Result) -> list[dict[str, object]]:
    assert shown.code == 0, shown.err
    return [json.loads(line) for line in shown.out.splitlines()]


def test_it_asks_the_mirror_where_that_has_the_model(synced: Run, tenant: Emulator) -> None:
    before = tenant.calls
    shown = synced("query", "Company", "status=customer", "--count")
    assert shown.err.startswith("From the mirror planhat.db, synced ")
    assert tenant.calls == before


def test_it_asks_planhat_where_the_mirror_lacks_the_model(synced: Run, tenant: Emulator) -> None:
    before = tenant.calls
    shown = synced("query", "Task", "--count")
    first, *_, last = shown.err.splitlines()
    assert first.startswith("The mirror planhat.db does not hold all that is asked for, so Planhat is asked: ")
    assert first.endswith(" requests.")
    assert last == f"From {tenant.url}, in {tenant.calls - before} requests."


def test_it_asks_planhat_where_the_mirror_lacks_a_model_on_the_way(synced: Run, tenant: Emulator) -> None:
    shown = synced("query", "License", "company__owner__inactive=false", "--count")
    assert tenant.url in shown.err


def test_offline_fails_where_the_mirror_lacks_the_model(synced: Run) -> None:
    shown = synced("query", "Task", "--offline")
    assert shown.code == 1
    assert "does not hold all of task" in shown.err


def test_online_asks_planhat_even_so(synced: Run, tenant: Emulator) -> None:
    assert tenant.url in synced("query", "Company", "--count", "--online").err


QUESTIONS = [
    ["Company", "status=customer"],
    ["Company", "name!=Alderbay Analytics", "mrr__gte=1000"],
    ["Company", "custom__Tier=A", "custom__Seats__gte=100"],
    ["Company", "custom__Reference customer=true"],
    ["Company", "phase__in=Live,Renewal"],
    ["Company", "source_id=null"],
    ["Company", "source_id__isnull=false"],
    ["Company", "tags__contains=Gold"],
    ["Company", "renewal_date__lte=2026-12-31"],
    ["Company", "renewal_date__year=2026"],
    ["Company", "mrr__range=100,2000"],
    ["Company", "name__icontains=BAY"],
    ["License", "company__phase=Live"],
    ["License", "fixed_period=no"],
]


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_both_sources_give_the_same_records(synced: Run, question: list[str]) -> None:
    options = ["--limit", "0", "--fields", "id", "--format", "jsonl"]
    here = jsonl(synced("query", *question, *options, "--offline"))
    there = jsonl(synced("query", *question, *options, "--online"))
    assert here == there
    assert 0 < len(here) < 90


def test_rows_come_in_the_order_and_with_the_fields_asked_for(synced: Run) -> None:
    rows = jsonl(synced("query", "Company", "--order", "-mrr,name", "--fields", "name,mrr", "--format", "jsonl"))
    assert len(rows) == 20
    assert list(rows[0]) == ["name", "mrr"]
    revenue = [row["mrr"] for row in rows]
    assert revenue == sorted(revenue, reverse=True)  # type: ignore[type-var]


def test_it_says_when_there_are_more(synced: Run) -> None:
    assert "more than 5" in synced("query", "Company", "--limit", "5").err
    assert "more than" not in synced("query", "Company", "--limit", "30").err


def test_a_field_over_a_relation_is_a_column(synced: Run) -> None:
    rows = jsonl(synced("query", "License", "--fields", "company__name,product", "--limit", "3", "--format", "jsonl"))
    assert all(row["company__name"] for row in rows)


def test_what_is_asked_about_is_shown_too(synced: Run) -> None:
    rows = jsonl(synced("query", "Company", "custom__Tier=A", "h__gte=2", "--format", "jsonl"))
    assert rows[0]["custom__Tier"] == "A"
    assert "h" in rows[0]


def test_csv_and_json_hold_the_same(synced: Run) -> None:
    ask = ["query", "Company", "--fields", "name,mrr,tags,renewal_date,auto_renews", "--format"]
    rows = json.loads(synced(*ask, "json").out)
    lines = list(csv.DictReader(io.StringIO(synced(*ask, "csv").out)))
    assert [row["name"] for row in rows] == [line["name"] for line in lines]
    for row, line in zip(rows, lines, strict=True):
        assert json.loads(line["tags"]) == row["tags"]
        assert line["renewal_date"] == (row["renewal_date"] or "")


def test_csv_holds_nothing_that_a_spreadsheet_runs(connected: Run, tenant: Emulator) -> None:
    with tenant.store.lock:
        tenant.store.insert("company", {"name": "=HYPERLINK(1)", "externalId": "odd"})
    lines = connected("query", "Company", "external_id=odd", "--fields", "name", "--format", "csv").out.splitlines()
    assert [line for line in lines if "HYPERLINK" in line] == ["'=HYPERLINK(1)"]


def test_all_stands_for_every_field(synced: Run) -> None:
    (row,) = jsonl(synced("query", "Company", "--fields", "all", "--limit", "1", "--format", "jsonl"))
    assert {"id", "external_id", "custom", "mrr"} <= row.keys()


def test_figures_are_added_up_by_group(synced: Run) -> None:
    total = jsonl(synced("query", "License", "--sum", "mrr", "--count", "--format", "jsonl"))[0]
    groups = jsonl(synced("query", "License", "--sum", "mrr", "--by", "product", "--format", "jsonl"))
    assert total["count"] == 90
    assert total["sum_mrr"] == sum(row["sum_mrr"] for row in groups)  # type: ignore[misc]
    assert [row["product"] for row in groups] == ["Analytics", "Platform", "Support"]
    bounds = jsonl(synced("query", "License", "--min", "mrr", "--max", "mrr", "--avg", "mrr", "--format", "jsonl"))[0]
    assert bounds["min_mrr"] < bounds["avg_mrr"] < bounds["max_mrr"]  # type: ignore[operator]


def test_a_year_is_no_amount(synced: Run) -> None:
    for asked in (["--by", "year(customer_from)"], ["--by", "y:year(customer_from)", "--format", "md"]):
        shown = synced("query", *asked, "--count", "--sum", "arr").out
        assert "2025" in shown and "2,025" not in shown
        assert re.search(r"\d,\d{3}\b", shown)
    shown = synced(
        "query", "customer_from is not missing", "--columns", "name,y:year(customer_from),arr", "--limit", "5"
    ).out
    assert re.search(r" 20\d\d ", shown)
    assert isinstance(
        jsonl(synced("query", "--by", "year(customer_from)", "--format", "jsonl"))[0]["customer_from__year"], int
    )


def test_explain_makes_no_request_and_needs_no_token(run: Run) -> None:
    shown = run("query", "Enduser", "email__contains=x", "--explain")
    assert shown.code == 0
    assert "GET /endusers" in shown.out


def test_a_list_of_everything_is_told(connected: Run) -> None:
    assert "everything is listed" in connected("query", "Company", "h__lte=3", "--count").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Compny"], "There is no model 'Compny'. Did you mean 'Company'?"),
        (["Company", "stauts=customer"], "Did you mean 'status'?"),
        (["Company", "name__contans=x"], "Did you mean 'contains'?"),
        (["Company", "mrr__contains=1"], "mrr holds a number, which takes"),
        (["Company", "mrr__gte=many"], "mrr__gte takes a number, not 'many'"),
        (["Company", "auto_renews=perhaps"], "auto_renews takes true or false"),
        (["Company", "renewal_date__lte=soon"], "renewal_date__lte needs"),
        (["Company", "renewal_date__date=soon"], "takes a day such as"),
        (["Company", "name__isnull=maybe"], "takes true or false"),
        (["Company", "--order", "nmae"], "Did you mean 'name'?"),
        (["Company", "--fields", "nmae"], "Did you mean 'name'?"),
        (["Company", "--fields", "licenses__mrr"], "has many values for one Company"),
        (["Company", "--sum", "name"], "needs a field of numbers"),
        (["Company", "--sum", "mmr"], "Did you mean 'mrr'?"),
        (["License", "company__phse=Live"], "Did you mean 'company__phase'?"),
    ],
)
def test_a_wrong_question_is_one_line_before_any_request(
    connected: Run, tenant: Emulator, arguments: list[str], message: str
) -> None:
    shown = connected("query", *arguments)
    assert shown.code == 2
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1
    assert tenant.calls == 0


@pytest.mark.parametrize("text", ["customer", "=customer", "!=customer"])
def test_a_condition_without_a_field_or_value_is_refused(run: Run, text: str) -> None:
    shown = run("query", "Company", text)
    assert shown.code == 2
    assert "field=value" in shown.err


def test_without_token_and_mirror_it_names_the_variable(run: Run) -> None:
    assert "PLANHAT_API_TOKEN" in run("query", "Company").err


@pytest.mark.parametrize("where", ["--online", "--offline"])
@pytest.mark.parametrize("key", ["extid-acct-1001", "srcid-crm-000001", "id"])
def test_show_finds_a_record_by_each_of_its_ids(synced: Run, tenant: Emulator, key: str, where: str) -> None:
    key = tenant.store.table("company").ids()[0] if key == "id" else key
    shown = synced("show", "Company", key, "--format", "json", where)
    assert shown.code == 0
    record = json.loads(shown.out)
    assert record["name"]
    assert record["custom"]["Tier"] in "ABC"


def test_show_sets_custom_fields_apart(synced: Run) -> None:
    shown = synced("show", "Company", "extid-acct-1001")
    assert ["external_id", "acct-1001"] in shown.rows
    assert any(row[0] == "custom.Tier" for row in shown.rows)


def test_show_finds_a_record_by_its_name_or_email(synced: Run, tenant: Emulator) -> None:
    company = tenant.store.all("company")[0]
    shown = synced("show", "Company", str(company["name"]).upper(), "--format", "json")
    assert json.loads(shown.out)["id"] == company["_id"]
    contact = tenant.store.all("enduser")[0]
    shown = synced("show", "Enduser", str(contact["email"]), "--format", "json")
    assert json.loads(shown.out)["id"] == contact["_id"]
    missing = synced("show", "Company", "Nobody at all")
    assert missing.code == 1 and "There is no Company called 'Nobody at all'." in missing.err


def test_show_names_the_ids_where_several_records_have_the_name(connected: Run, tenant: Emulator) -> None:
    ids = {tenant.store.insert("company", {"name": "Twice Ltd"})["_id"] for _ in range(2)}
    shown = connected("show", "Company", "twice ltd")
    assert shown.code == 1 and all(id in shown.err for id in ids)


def test_show_draws_the_figures_that_the_mirror_saw_change(synced: Run, tenant: Emulator) -> None:
    company = tenant.store.all("company")[1]
    for score in (1, 5, 2):
        tenant.store.update("company", company["_id"], {"csmScore": score})
        assert synced("sync", "Company", "--full").code == 0
    shown = synced("show", "Company", company["_id"])
    line = next(line for line in shown.out.splitlines() if line.startswith("csm_score  "))
    assert line.split()[1].endswith("▁█▃") and " to 2 since " in line
    other = synced("show", "Company", tenant.store.all("company")[2]["_id"])
    assert not any(line.startswith("csm_score  ") for line in other.out.splitlines())


def test_show_of_no_record_says_so_and_hints_at_planhat(synced: Run) -> None:
    offline = synced("show", "Company", "extid-nobody")
    assert offline.code == 1
    assert "There is no Company with this external_id." in offline.err
    assert "--online" in offline.err
    assert "--online" not in synced("show", "Company", "extid-nobody", "--online").err


def test_show_does_not_hint_at_planhat_where_planhat_was_asked(connected: Run) -> None:
    shown = connected("show", "Company", "extid-nobody")
    assert "There is no Company" in shown.err
    assert "mirror" not in shown.err


def test_show_refuses_an_empty_id(synced: Run, tenant: Emulator) -> None:
    before = tenant.calls
    for key in ("", "extid-"):
        assert synced("show", "Company", key).code == 2
    assert tenant.calls == before
