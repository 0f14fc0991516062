"""Frames as rows of bulk writes, and rows that share a key: refused, or put together on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from planhat_orm import Company, Custom, Enduser, FieldError, Planhat, ValidationError
from planhat_orm.emulator import Emulator

pd: Any = pytest.importorskip("pandas")  # no stubs are installed for it
Own = Callable[..., tuple[Emulator, Planhat]]
ROWS: dict[str, list[Any]] = {
    "externalId": ["a", "b "], "name": ["Å", "B"], "web": [None, "b.example"], "custom.Seats": [3, None],
    "phase": ["Live", None],
}  # fmt: skip
FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "polars": lambda rows: pl.DataFrame(rows),
    "pandas": lambda rows: pd.DataFrame(rows),
    "arrow": lambda rows: pa.table(rows),
}


class Account(Company):
    """A company with the field that the frames have a column of."""

    seats = Custom("Seats", int)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("model", [Account, Company])
def test_a_frame_is_upserted_and_its_empty_cells_are_left_out(own: Own, frame: str, model: type[Company]) -> None:
    emulator, planhat = own(companies=0, seed=2)
    emulator.store.insert("custom_field", {"name": "Seats", "parent": "company", "type": "number"})
    emulator.store.insert("company", {"name": "A", "externalId": "a", "web": "a.example", "custom": {"Seats": 1}})
    result = model.objects.using(planhat).bulk_upsert(FRAMES[frame](ROWS))
    assert [row.status for row in result] == ["updated", "created"]
    stored = {row["externalId"]: row for row in emulator.store.all("company")}
    assert stored.keys() == {"a", "b"}
    assert (stored["a"]["name"], stored["a"]["web"], stored["a"]["custom"]["Seats"]) == ("Å", "a.example", 3)
    assert stored["a"]["phase"] == "Live" and stored["b"]["web"] == "b.example"


@pytest.mark.parametrize("backend", ["numpy", "numpy_nullable", "pyarrow"])
@pytest.mark.parametrize("records", [False, True])
def test_rows_of_a_frame_go_in_as_the_frame_does(own: Own, backend: Any, records: bool) -> None:
    emulator, planhat = own(companies=0, seed=2)
    for name, kind in (("Seats", "number"), ("Review", "day"), ("Live", "date"), ("VIP", "checkbox")):
        emulator.store.insert("custom_field", {"name": name, "parent": "company", "type": kind})
    for key in "ab":
        custom = {"Seats": 1, "Review": 1, "VIP": False}
        emulator.store.insert("company", {"name": key, "externalId": key, "phase": "New", "custom": custom})
    list(planhat.custom_field.get_list())
    frame = pd.DataFrame({
        "external_id": ["a", "b"], "phase": pd.Categorical(["Live", None]), "csm_score": [3, None],
        "custom.Seats": [5, None], "custom.Review": pd.to_datetime(["2026-05-01", None]), "custom.VIP": [True, None],
        "custom.Live": pd.to_datetime(["2026-05-01T10:00", None]).tz_localize("Europe/Stockholm"),
    })  # fmt: skip
    frame = frame if backend == "numpy" else frame.convert_dtypes(dtype_backend=backend)
    if backend == "numpy":
        frame["csm_score"] = frame["csm_score"].astype("Int64")
        frame["custom.VIP"] = frame["custom.VIP"].astype("boolean")
    result = Company.objects.using(planhat).bulk_upsert(frame.to_dict("records") if records else frame)
    assert [row.status for row in result] == ["updated", "unchanged"]
    stored = {row["externalId"]: row for row in emulator.store.all("company")}
    assert (stored["a"]["phase"], stored["a"]["csmScore"]) == ("Live", 3)
    assert stored["a"]["custom"] == {"Seats": 5, "Review": 20574, "VIP": True, "Live": "2026-05-01T08:00:00.000Z"}
    assert (stored["b"]["phase"], stored["b"]["custom"]) == ("New", {"Seats": 1, "Review": 1, "VIP": False})


def test_a_frame_is_upserted_in_a_task(own: Own) -> None:
    emulator, planhat = own(companies=0, seed=2)
    objects = Company.objects.using(planhat)
    result = asyncio.run(objects.abulk_upsert(pl.DataFrame({"external_id": ["a"], "name": ["A"]})))
    assert len(result.created) == len(emulator.store.all("company")) == 1


def test_what_a_frame_has_no_field_for_is_refused_by_column_and_row(own: Own) -> None:
    emulator, planhat = own(companies=0, seed=2)
    objects = Company.objects.using(planhat)
    for rows, sentence in (
        ({"external_id": ["a"], "pahse": ["x"]}, "'pahse'. Did you mean 'phase'"),
        ({"external_id": ["a"], "externalId": ["b"]}, "'external_id' and 'externalId' both go to external_id"),
        ({"external_id": ["a"], "h": [5]}, "Planhat computes h of a Company: leave the columns out"),
        ({"external_id": ["a"], "owner__email": ["x"]}, "'owner__email' is a key of related records"),
        (
            {"external_id": ["a", "b"], "custom.Seats": ["1", "many"]},
            "row 1, column 'custom.Seats': must be a number such as 1234.5",
        ),
    ):
        with pytest.raises((FieldError, ValidationError), match=sentence):
            objects.bulk_upsert(pd.DataFrame(rows))
    assert emulator.store.all("company") == []
    double = pd.DataFrame([["a", "b"]], columns=["external_id", "external_id"])
    with pytest.raises(ValidationError, match="two columns called 'external_id'"):
        objects.bulk_upsert(double)


@pytest.mark.parametrize("frame", FRAMES)
def test_plain_endpoints_and_metrics_take_frames(own: Own, frame: str) -> None:
    emulator, planhat = own(companies=0, seed=2)
    planhat.company.bulk_upsert(
        FRAMES[frame]({"externalId": ["a", "b"], "name": ["A", "B"], "web": ["a.example", None]})
    )
    assert {row["externalId"]: row.get("web") for row in emulator.store.all("company")} == {"a": "a.example", "b": None}
    values = FRAMES[frame]({"dimensionId": ["seats", "seats"], "value": [3, 4], "externalId": ["a", "b"]})
    planhat.metrics.bulk_insert_metrics(values, verify=True)
    assert sorted(row["value"] for row in emulator.store.all("metric")) == [3, 4]


@pytest.mark.parametrize("frame", FRAMES)
def test_keys_that_a_frame_holds_as_numbers_are_text(own: Own, frame: str) -> None:
    emulator, planhat = own(companies=0, seed=2)
    rows = FRAMES[frame]({"externalId": [1001.0, None], "sourceId": [7, 8], "name": ["A", "B"]})
    planhat.company.bulk_upsert(rows)
    assert [(row.get("externalId"), row["sourceId"]) for row in emulator.store.all("company")] == [
        ("1001", "7"),
        (None, "8"),
    ]
    objects = Company.objects.using(planhat)
    assert [row.status for row in objects.bulk_upsert(rows)] == ["unchanged", "unchanged"]
    assert objects.reconcile(rows, key="sourceId").summary() == "create 0, update 0, unchanged 2, delete 0"


# --- rows that share a key ------------------------------------------------------------------------------


def contacts(own: Own) -> tuple[Emulator, Planhat, Any, str]:
    emulator, planhat = own(companies=0, seed=2)
    company = Company.objects.using(planhat).create(name="A")
    return emulator, planhat, Enduser.objects.using(planhat), company.id or ""


def rows_of(company: str) -> list[dict[str, Any]]:
    return [
        {"email": email, "company_id": company, "first_name": name, "custom": {name: 1}}
        for email, name in (("a@x.example", "A"), ("b@x.example", "B"), ("A@x.example", "C"))
    ]


@pytest.mark.parametrize("shape", ["dicts", "frame"])
def test_blanks_around_a_key_and_the_form_of_its_accents_make_no_second_record(own: Own, shape: str) -> None:
    emulator, planhat = own(companies=0, seed=2)
    emulator.store.insert("company", {"name": "Café", "externalId": "caf\u00e9"})
    rows = [{"external_id": " cafe\u0301 ", "phase": "Live"}]
    given = rows if shape == "dicts" else FRAMES["polars"]({name: [value] for name, value in rows[0].items()})
    result = Company.objects.using(planhat).bulk_upsert(given)
    assert [row.status for row in result] == ["updated"]
    assert len(emulator.store.all("company")) == 1


@pytest.mark.filterwarnings("ignore::planhat_orm.UnknownNameWarning")
def test_rows_that_share_a_key_are_refused_or_become_one_with_a_status_of_its_own(own: Own) -> None:
    emulator, _, objects, company = contacts(own)
    with pytest.raises(ValidationError, match="row 0 and row 2 have the same email"):
        objects.bulk_upsert(rows_of(company))
    with pytest.raises(ValidationError, match="row 0 and row 2 have the same email"):
        objects.bulk_create([Enduser(**row) for row in rows_of(company)])
    assert emulator.store.all("enduser") == []
    result = objects.bulk_upsert(rows_of(company), duplicates="merge")
    assert [row.status for row in result] == ["created", "created", "merged"]
    assert result.rows[2].object is result.rows[0].object and len(result.merged) == 1
    stored = {row["email"].lower(): row for row in emulator.store.all("enduser")}
    assert len(stored) == 2 and stored["a@x.example"]["firstName"] == "C"
    assert stored["a@x.example"]["custom"] == {"A": 1, "C": 1}
    with pytest.raises(FieldError, match="duplicates is 'raise' or 'merge', not 'maybe'"):
        objects.bulk_upsert(rows_of(company), duplicates="maybe")


def test_what_was_only_read_of_a_record_is_not_put_into_one_that_shares_its_key(own: Own) -> None:
    emulator, planhat = own(companies=0, seed=2)
    custom = {"Tier": "A", "Plan": "Pro", "Goals": None}
    emulator.store.insert("company", {"name": "Acme", "externalId": "a", "tags": ["old"], "custom": custom})
    edited, read = (Company.objects.using(planhat).get(external_id="a") for _ in range(2))
    edited.tags.append("new")
    edited.custom["Tier"] = "B"
    edited.phase = "Live"
    for name in Company._meta.fields:  # those that only Planhat sets are among them
        getattr(read, name)
    read.name = "Other"
    del read.custom["Plan"]
    result = Company.objects.using(planhat).bulk_upsert([edited, read], duplicates="merge")
    assert [row.status for row in result] == ["updated", "merged"]
    (stored,) = emulator.store.all("company")
    assert (stored["name"], stored["phase"], stored["tags"]) == ("Other", "Live", ["old", "new"])
    assert stored["custom"]["Tier"] == "B" and not stored["custom"].get("Plan")


def test_rows_that_share_one_key_and_not_another_are_never_put_together(own: Own) -> None:
    emulator, _, objects, company = contacts(own)
    rows = [{"email": "a@x.example", "source_id": key, "company_id": company} for key in ("1", "2")]
    with pytest.raises(ValidationError, match="row 0 and row 1 have the same email, but not all keys"):
        objects.bulk_upsert(rows, duplicates="merge")
    assert emulator.store.all("enduser") == []


def test_new_records_of_a_batch_that_share_a_key_are_refused_before_anything_is_sent(own: Own) -> None:
    emulator, planhat, _, company = contacts(own)
    with pytest.raises(ValidationError, match="new Enduser 0 and new Enduser 1 have the same email"), planhat.batch():
        for name in ("A", "B"):
            Enduser(email="a@x.example", company_id=company, first_name=name).save()
    assert emulator.store.all("enduser") == []


def test_a_plain_endpoint_says_which_rows_were_put_into_another(own: Own) -> None:
    _, planhat, _, company = contacts(own)
    rows = [{"email": "a@x.example", "companyId": company, "firstName": name} for name in ("A", "B")]
    assert [outcome.status for outcome in planhat.enduser.bulk_upsert(rows).outcomes] == ["created", "merged"]


def test_one_email_is_given_to_contacts_of_several_companies_by_their_ids(own: Own) -> None:
    emulator, planhat, objects, company = contacts(own)
    other = Company.objects.using(planhat).create(name="B")
    new = [{"source_id": "ada@a", "company_id": company}, {"source_id": "ada@b", "company_id": other.id}]
    objects.bulk_upsert(new)
    rows = [{"source_id": row["source_id"], "email": "ada@x.example"} for row in new]
    plan = objects.reconcile(rows, key="source_id")
    assert [row.status for row in plan.apply()] == ["updated", "updated"]
    assert [row["email"] for row in emulator.store.all("enduser")] == ["ada@x.example"] * 2
    assert objects.reconcile(rows, key="source_id").summary() == "create 0, update 0, unchanged 2, delete 0"
    with pytest.raises(ValidationError, match="2 records have its email already"):
        objects.reconcile([{"email": "ada@x.example", "first_name": "Ada"}], key="email")
