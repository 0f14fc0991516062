"""Custom fields that no class declares: known as soon as the account's list was read or synced once."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Custom, CustomField, FieldError, Note, Planhat, ReadOnlyError, Sum, ValidationError
from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError, UnknownNameWarning

from ..online import Online, bare_environment, online

__all__ = ["bare_environment", "online"]

FIELDS = [
    ("Tier", "list", ["A", "B"]), ("Seats", "number", []), ("Next review day", "day", []), ("Go-live", "date", []),
    ("Pilot", "checkbox", []), ("Modules", "multipicklist", ["Mobile", "Reports"]), ("a__b", "text", []),
    ("class", "text", []), ("Go.live", "text", []),
]  # fmt: skip


def tenant(emulator: Emulator) -> str:
    for name, kind, values in FIELDS:
        emulator.store.insert("custom_field", {"name": name, "type": kind, "parent": "Company", "listValues": values})
    emulator.store.insert(
        "custom_field", {"name": "Score", "type": "number", "parent": "Company", "isFormula": True, "formula": "1"}
    )
    emulator.store.insert("custom_field", {"name": "Topic", "type": "text", "parent": "Conversation"})
    first = emulator.store.insert("company", {
        "name": "A", "custom": {"Tier": "A", "Seats": 400, "Next review day": 20484, "a__b": "x", "class": "y",
                                "Go.live": "z", "Old": 1}})  # fmt: skip
    emulator.store.insert("company", {"name": "B", "custom": {"Tier": "B", "Seats": 300, "Next review day": 20500}})
    return str(first["_id"])


def listed(planhat: Planhat) -> None:
    list(planhat.custom_field.get_list())


def queried(planhat: Planhat) -> None:
    list(CustomField.objects.using(planhat))


def queried_in_a_task(planhat: Planhat) -> None:
    async def work() -> None:
        async for _ in CustomField.objects.using(planhat):
            pass
        await planhat.aclose()

    asyncio.run(work())


def synced(planhat: Planhat) -> None:
    planhat.sync(CustomField, Company)


@pytest.fixture(params=[listed, queried, queried_in_a_task, synced], ids=lambda way: way.__name__)
def known(request: pytest.FixtureRequest, online: Online, tmp_path: Path) -> Iterator[tuple[Emulator, Planhat, str]]:
    way: Callable[[Planhat], None] = request.param
    emulator, planhat = online(mirror=tmp_path / "a.db" if way is synced else None, scan="allow")
    id = tenant(emulator)
    way(planhat)
    yield emulator, planhat, id


def test_filters_know_the_types_and_the_labels(known: Any) -> None:
    emulator, planhat, _ = known
    objects = Company.objects.using(planhat)
    assert [record.name for record in objects.filter(custom__Seats__gte=400)] == ["A"]
    assert objects.filter(**{"custom__Next review day__lte": date(2026, 1, 31)}).count() == 1
    assert objects.filter(**{"custom.Next review day__lte": "2026-02-16"}).count() == 2
    before = len(emulator.log)
    with pytest.raises(ValidationError, match="custom__Seats__gte needs a number"):
        objects.filter(custom__Seats__gte="400")
    with pytest.raises(FieldError, match="no custom field 'Teir' on company. Did you mean 'Tier'"):
        objects.filter(custom__Teir="A")
    with pytest.raises(FieldError, match="custom__Seats holds a number, which takes"):
        objects.filter(custom__Seats__contains="4")
    for call in (lambda: objects.order_by("custom__Teir"), lambda: objects.values("custom.Teir")):
        with pytest.raises(FieldError, match="Did you mean 'Tier'"):
            call()
    assert len(emulator.log) == before
    with pytest.warns(UnknownNameWarning, match="custom__Tier has no choice 'Q'"):
        objects.filter(custom__Tier="Q")


def test_order_and_figures_need_no_class(known: Any) -> None:
    _, planhat, _ = known
    objects = Company.objects.using(planhat)
    assert [record.name for record in objects.order_by("custom__Seats")] == ["B", "A"]
    assert [record.name for record in objects.order_by("-custom.Seats")] == ["A", "B"]
    assert objects.aggregate(total=Sum("custom__Seats")) == {"total": 700}
    groups = objects.group_by("custom.Tier").aggregate(total=Sum("custom.Seats"))
    assert [tuple(group.values()) for group in groups] == [("A", 400), ("B", 300)]


def test_labels_of_any_spelling_work_in_values_and_filters(known: Any) -> None:
    _, planhat, _ = known
    objects = Company.objects.using(planhat).filter(name="A")
    for label, value in (("a__b", "x"), ("class", "y"), ("Go.live", "z"), ("Next review day", date(2026, 1, 31))):
        for spelling in (f"custom__{label}", f"custom.{label}"):
            assert list(objects.values(spelling)) == [{spelling: value}]
            assert list(objects.values_list(spelling, flat=True)) == [value]
            assert objects.filter(**{spelling: value}).count() == 1
            assert objects.filter(**{f"{spelling}__in": [value]}).count() == 1


def test_what_is_set_is_converted_and_wrong_labels_are_refused(known: Any) -> None:
    emulator, planhat, id = known
    company = Company.objects.using(planhat).get(id)
    company.custom["Next review day"] = date(2026, 3, 1)
    company.custom["Go-live"] = date(2026, 3, 1)
    company.custom["Seats"] = "401"
    company.custom["Old"] = 2
    assert company.changes()["custom"]["Next review day"] == (20484, 20513)
    company.save()
    assert company.changes() == {}
    stored = next(row for row in emulator.store.all("company") if row["_id"] == id)["custom"]
    assert (stored["Next review day"], stored["Go-live"], stored["Seats"], stored["Old"]) == (
        20513, "2026-03-01T00:00:00.000Z", 401, 2,
    )  # fmt: skip
    before = len(emulator.log)
    for label, value, error, words in (
        ("Teir", "A", FieldError, "no custom field 'Teir' on company. Did you mean 'Tier'"),
        ("Tier", "C", ValidationError, r"custom\['Tier'\] has no choice 'C'. Did you mean 'A'"),
        ("Modules", ["Mobile", "Voice"], ValidationError, "no choice 'Voice'"),
        ("Seats", "many", ValidationError, r"custom\['Seats'\] must be a number"),
        ("Pilot", "yes", ValidationError, r"custom\['Pilot'\] must be True or False"),
        ("Score", 5, ReadOnlyError, "filled by a formula"),
    ):
        fresh = Company.from_wire(dict(company._wire), company._origin)
        fresh.custom[label] = value
        assert repr(fresh).endswith("changed: custom>")
        with pytest.raises(error, match=words):
            fresh.save()
        with pytest.raises(error, match=words), planhat.batch():
            fresh.save()
        with pytest.raises(error, match=words):
            Company.objects.using(planhat).bulk_upsert([{"id": id, "custom": {label: value}}])
    assert len(emulator.log) == before


def test_a_class_may_declare_what_the_account_does_not_list(known: Any) -> None:
    class Account(Company):
        colour = Custom("Colour", str)

    _, planhat, id = known
    account = Account.objects.using(planhat).get(id)
    account.colour = "red"
    account.save()
    assert Account.objects.using(planhat).filter(custom__Colour="red").count() == 1


def test_a_field_that_is_made_is_known_at_once(known: Any) -> None:
    _, planhat, id = known
    with planhat:
        CustomField(name="Region", type="text", parent="Company").save()
        company = Company.objects.get(id)
        company.custom["Region"] = "north"
        company.save()
        CustomField.objects.get(name="Region").delete()
        with pytest.raises(FieldError, match="'Region'"):
            Company.objects.filter(custom__Region="north")


def test_notes_have_the_fields_of_conversations(known: Any) -> None:
    _, planhat, _ = known
    assert Note.objects.using(planhat).filter(custom__Topic="x").count() == 0
    with pytest.raises(FieldError, match="Did you mean 'Topic'"):
        Note.objects.using(planhat).filter(custom__Topci="x")


def test_a_warning_is_enough_where_it_is_wanted(online: Online) -> None:
    emulator, planhat = online(scan="allow", custom="warn")
    id = tenant(emulator)
    listed(planhat)
    company = Company.objects.get(id)
    company.custom["Teir"] = "A"
    with pytest.warns(UnknownNameWarning, match="Did you mean 'Tier'"):
        company.save()
    with pytest.warns(UnknownNameWarning, match="Did you mean 'Tier'"):
        assert Company.objects.filter(custom__Teir="A").count() == 1
    with pytest.raises(ConfigurationError, match="custom='wran'"):
        Planhat("t", custom="wran")  # type: ignore[arg-type]


def test_while_nothing_is_known_values_compare_by_their_own_type(online: Online) -> None:
    emulator, _ = online(scan="allow")
    id = tenant(emulator)
    assert Company.objects.filter(custom__Seats__gte=400).count() == 1
    company = Company.objects.get(id)
    company.custom["Teir"] = "B"
    with pytest.warns(UnknownNameWarning, match="Did you mean 'Tier'"):
        company.save()
    company.custom["Something else"] = 1
    company.save()
    assert emulator.log.count("GET /customfields") == 0


@pytest.mark.parametrize("source", ["api", "mirror"])
def test_a_label_that_no_record_has_is_warned_of(online: Online, tmp_path: Path, source: str) -> None:
    emulator, planhat = online(mirror=tmp_path / "a.db", scan="allow")
    tenant(emulator)
    planhat.run(planhat.mirror.sync([Company]))
    objects = Company.objects.using(source)
    for call in (lambda: list(objects.filter(custom__Teir="A")), lambda: objects.filter(custom__Teir="A").count()):
        with pytest.warns(UnknownNameWarning, match="No company has a custom field 'Teir'. Did you mean 'Tier'"):
            assert not call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not objects.filter(custom__Tier="Q").exists()
        assert objects.filter(custom__Teir=None).count() == 2
    emulator.store.insert("company", {"name": "C", "custom": {"Teir": "Z"}})
    planhat.run(planhat.mirror.sync([Company]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not list(objects.filter(custom__Teir="A"))


def test_part_of_the_list_is_not_the_list(online: Online) -> None:
    emulator, planhat = online(scan="allow")
    tenant(emulator)
    next(iter(planhat.custom_field.get_list(limit=2)))
    list(planhat.custom_field.get_list(select="name"))
    assert CustomField.objects.first() is not None
    assert planhat.account_fields.of("company") is None


def test_each_account_has_its_own(online: Online) -> None:
    (one, first), (_, second) = online(scan="allow"), online(scan="allow")
    tenant(one)
    listed(first)
    with second:
        with pytest.raises(FieldError, match="Teir"):
            Company.objects.using(first).filter(custom__Teir="A")
        Company.objects.filter(custom__Teir="A")


@pytest.mark.parametrize(
    ("lookups", "words"),
    [
        ({"status": "custommer"}, "status has no choice 'custommer'. Did you mean 'customer'"),
        ({"status__in": ["customer", "lots"]}, "status has no choice 'lots'. Did you mean 'lost'"),
        ({"owner": "Dario"}, "Did you mean owner__nick_name"),
        ({"owner_id": "dario@x.example"}, "Did you mean owner__email"),
        ({"licenses__company": "extid-5"}, "Did you mean licenses__company__external_id"),
        ({"licenses__renewal_status": "ongoign"}, "licenses__renewal_status has no choice 'ongoign'"),
    ],
)
def test_a_condition_that_no_record_will_meet_is_warned_of(lookups: dict[str, Any], words: str) -> None:
    with pytest.warns(UnknownNameWarning, match=words):
        Company.objects.filter(**lookups)


def test_what_may_be_met_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Company.objects.filter(status="customer", owner="65f0c1a2b3d4e5f607001000", name="custommer")
        Company.objects.filter(status__isnull=True, owner__nick_name="Dario", owner=None, status__startswith="cust")
        Company.objects.filter(last_updated__gte=datetime(2026, 1, 1, tzinfo=UTC), owner__in=["tmp:1"])


@pytest.mark.parametrize("source", ["api", "mirror"])
@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"custom__Seats__gte": "400"}, "'Seats' of company holds numbers and is compared with text"),
        ({"custom__Tier": 5}, "'Tier' of company holds text and is compared with numbers"),
        ({"custom__Tier__in": [5, True]}, "is compared with True and False or numbers"),
        ({"custom__Seats__gte": 1e9}, None),
        ({"custom__Tier__in": ["Z", 5]}, None),
        ({"custom__Next review day__lt": date(1999, 1, 1)}, None),
        ({"custom__Old": "x"}, "'Old' of company holds numbers"),
    ],
)
def test_a_comparison_with_values_of_another_type_is_warned_of(
    online: Online, tmp_path: Path, source: str, condition: dict[str, Any], words: str | None
) -> None:
    emulator, planhat = online(mirror=tmp_path / "a.db", scan="allow")
    emulator.faults.add(path="/customfields", status=403, times=None)
    tenant(emulator)
    planhat.sync(Company)
    objects = Company.objects.using(planhat).using(source)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert objects.filter(**condition).count() == 0
    assert [
        str(warning.message) for warning in caught if warning.category is UnknownNameWarning and words is None
    ] == []
    assert words is None or any(words in str(warning.message) for warning in caught)


def test_a_value_of_another_kind_than_a_field_of_choices_takes_is_refused_for_its_type(known: Any) -> None:
    _, planhat, id = known
    for label, value in (("Modules", {"Mobile"}), ("Tier", 5), ("Tier", b"A")):
        company = Company.objects.using(planhat).get(id)
        company.custom[label] = value
        with pytest.raises(ValidationError, match=rf"custom\['{label}'\] must be"):
            company.save()
