"""`only()`, `defer()`, `values()` and data frames: which fields come, under which names, and what is asked for."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from planhat_orm import Company, FieldError, License, NotLoaded, Planhat, PlanhatError, Q
from planhat_orm.emulator import Emulator

from ..registry import no_clients
from .conftest import Account, Calls

pytestmark = pytest.mark.usefixtures("planhat")


def selected(emulator: Emulator) -> set[str]:
    """The fields that the list asks for. What looks how it ends asks for ids alone, beside it."""
    asked = {call.query["select"] for call in emulator.log}
    emulator.log.clear()
    (fields,) = asked - {"_id"}
    return set(fields.split(","))


# --- only and defer -------------------------------------------------------------------------------------


def test_only_asks_for_these_fields_and_those_that_conditions_look_at(emulator: Emulator) -> None:
    list(Account.objects.only("name", "tier"))
    assert selected(emulator) == {"_id", "name", "custom"}
    list(Account.objects.only("name").filter(mrr__gt=0).order_by("h"))
    assert selected(emulator) == {"_id", "name", "mrr", "h"}


def test_a_field_that_was_left_out_is_not_loaded(calls: Calls) -> None:
    company = Account.objects.only("name").first()
    assert company is not None and company.name
    calls()
    for name in ("mrr", "tier", "tags", "custom", "owner"):
        with pytest.raises(NotLoaded, match="add it to only"):
            getattr(company, name)
    assert calls() == []
    assert company.refresh(fields=["mrr"]).mrr is not None


def test_a_deferred_custom_field_leaves_the_others(emulator: Emulator) -> None:
    company = Account.objects.defer("tier", "tags").filter(seats__gt=0)[0]
    assert company.seats > 0
    assert "tags" not in selected(emulator)
    with pytest.raises(NotLoaded):
        company.tags  # noqa: B018
    with pytest.raises(NotLoaded):
        Account.objects.defer("custom")[0].seats  # noqa: B018


def test_defer_takes_away_from_only() -> None:
    assert Account.objects.only("name", "mrr").defer("mrr")._query.select == {"_id", "name"}  # type: ignore[comparison-overlap]


def test_the_plan_says_which_fields_are_asked_for(calls: Calls) -> None:
    plan = Account.objects.only("name", "tier").filter(status="customer").explain()
    assert plan.select == ("_id", "custom", "name", "status")
    assert "select         _id,custom,name,status" in str(plan)
    assert "licenses, and their company" in str(Account.objects.prefetch_related("licenses__company").explain())
    assert License.objects.explain().select == ()
    assert calls() == []


# --- frames ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", ["to_polars", "to_pandas", "to_arrow"])
def test_a_frame_has_the_fields_of_only_and_no_other_custom_ones(frame: str) -> None:
    def columns(queryset: Any) -> list[str]:
        made = getattr(queryset, frame)()
        return list(made.column_names if frame == "to_arrow" else made.columns)

    assert columns(Account.objects.only("name", "tier")) == ["id", "name", "tier"]
    assert columns(Account.objects.only("seats", "id")) == ["id", "seats"]
    assert columns(Company.objects.only("name")) == ["id", "name"]
    every = columns(Account.objects.only("custom"))
    assert every[:2] == ["id", "tier"] and "custom.Plan" in every and "name" not in every
    rest = columns(Account.objects.defer("tier"))
    assert {"seats", "custom.Plan", "name"} <= set(rest) and "tier" not in rest and "custom.Tier" not in rest


@pytest.mark.parametrize("model", [Account, Company, License])
def test_an_empty_frame_has_the_columns_and_types_of_a_full_one(model: Any) -> None:
    # Its field was deleted, so that nothing but a record tells of it.
    stray = [] if model is License else ["custom.Old segment"]
    every, none = model.objects.all(), model.objects.filter(id="0" * 24)
    full, empty = every.to_arrow(), none.to_arrow()
    assert full.num_rows > 0 and empty.num_rows == 0
    assert empty.schema == full.drop_columns(stray).schema
    assert none.to_polars().schema == every.to_polars().drop(stray).schema
    assert list(none.to_pandas().dtypes) == list(every.to_pandas().drop(columns=stray).dtypes)


@pytest.mark.parametrize("names", [("name", "name"), ("custom.Tier", "name", "custom.Tier")])
def test_a_name_that_is_given_twice_is_one_column(names: tuple[str, ...]) -> None:
    expected = Company.objects.values(*names).to_arrow()
    assert expected.column_names == list(dict.fromkeys(names))
    assert Company.objects.values_list(*names).to_arrow().equals(expected)
    assert Company.objects.to_arrow(*names).equals(expected)
    assert Company.objects.none().values_list(*names).to_arrow().schema == expected.schema


def test_the_list_of_custom_fields_is_asked_for_once_for_frames(calls: Calls) -> None:
    Company.objects.to_arrow()
    Company.objects.to_arrow()
    assert sum("customfields" in call for call in calls()) <= 2, "one page and the look at its end"


def test_a_notebook_shows_the_fields_of_only() -> None:
    queryset = Account.objects.only("name", "tier")
    assert len(queryset) > 0
    assert "<thead><tr><th>id</th><th>name</th><th>tier</th></tr></thead>" in queryset._repr_html_()


# --- values ---------------------------------------------------------------------------------------------


def test_values_are_dicts_of_converted_values() -> None:
    row = Account.objects.values("name", "tier", "owner__email", "custom__Seats").first()
    assert row is not None and list(row) == ["name", "tier", "owner__email", "custom__Seats"]
    assert row["tier"] in ("A", "B", "C") and "@" in row["owner__email"] and isinstance(row["custom__Seats"], int)


def test_values_list_gives_tuples_bare_values_or_namedtuples() -> None:
    assert Account.objects.values_list("name", "tier")[0] == ("Alderbay Analytics", "B")
    assert Account.objects.values_list("name", flat=True)[0] == "Alderbay Analytics"
    row = Account.objects.values_list("name", "custom__Next review day", named=True)[0]
    assert row.name == "Alderbay Analytics" and row._fields == ("name", "_1")
    assert Account.objects.values_list("name", named=True)[:1].first().name == "Alderbay Analytics"  # type: ignore[union-attr]
    with pytest.raises(FieldError, match="one field, not 2"):
        Account.objects.values_list("name", "tier", flat=True)
    with pytest.raises(FieldError, match="not both"):
        Account.objects.values_list("name", flat=True, named=True)


def test_distinct_values_come_once() -> None:
    found = Account.objects.order_by("tier").values_list("tier", flat=True).distinct()
    assert list(found) == ["A", "B", "C", None]
    assert found.count() == 4
    assert Company.objects.distinct().count() == Company.objects.count()


def test_distinct_values_tell_flags_from_numbers_at_every_depth() -> None:
    pairs: list[tuple[Any, Any]] = [(1, True), (0, False), ([1, "a"], [True, "a"]), ({"a": [0]}, {"a": [False]})]
    with Emulator(0) as emulator, Planhat(emulator.api_token, api_url=emulator.url):
        for value in (*[item for pair in pairs for item in pair], 1.0, [1.0, "a"], None):
            emulator.store.insert("company", {"name": "x", "custom": {"Odd": value}})
        found = Company.objects.order_by("id").values_list("custom.Odd", flat=True).distinct()
        assert list(map(repr, found)) == [*(repr(item) for pair in pairs for item in pair), "None"]
        rows = Company.objects.order_by("id").values("name", "custom.Odd").distinct()
        assert [repr(row["custom.Odd"]) for row in rows] == list(map(repr, found))


# --- what a queryset is kept as -------------------------------------------------------------------------


def test_a_queryset_is_pickled_as_its_question_and_no_client(planhat: Planhat, calls: Calls) -> None:
    asked = (
        Account.objects.filter(Q(mrr__gt=5) | Q(tier="A"), owner__email__contains="a")
        .order_by("-mrr")
        .only("name", "tier")[:5]
    )
    names = [request.name for request in asked]
    calls()
    data = pickle.dumps(asked)
    assert calls() == []
    assert planhat.settings.api_token.encode() not in data  # type: ignore[operator, union-attr]
    again = pickle.loads(data)
    assert "not fetched" in repr(again)
    assert [row.name for row in again] == names
    assert again._chosen == ("name", "tier")


def test_rows_and_views_of_the_past_are_not_pickled() -> None:
    with pytest.raises(PlanhatError, match=r"pickle list\(it\)"):
        pickle.dumps(Company.objects.values("name"))

    class Past:
        name = "mirror"

        def pages(self, query: Any) -> Any: ...

    with pytest.raises(PlanhatError, match="one moment"):
        pickle.dumps(Company.objects.using(Past()))


def test_displaying_never_asks_even_without_a_client(calls: Calls) -> None:
    queryset = Company.objects.filter(mrr__gt=1)
    for show in (repr, str, lambda one: one._repr_html_()):
        assert "mrr" in show(queryset)
    assert "name" in repr(Company.objects.values("name"))
    assert calls() == []
    with no_clients():
        queryset = Company.objects.filter(mrr__gt=1)
        assert "not fetched" in repr(queryset)
        assert "not fetched" in queryset._repr_html_()
