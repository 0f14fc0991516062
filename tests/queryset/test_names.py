"""A misspelt name is answered with the nearest right one, wherever it stands, and before any request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import Count, F, FieldError, License, Q, Sum, Task

from .conftest import Account, Calls

pytestmark = pytest.mark.usefixtures("planhat")
Act = Callable[[], Any]

WRONG: dict[str, tuple[Act, str]] = {
    "filter": (lambda: Account.objects.filter(tier="A", nmae="x"), "name"),
    "filter, a word too many": (lambda: Account.objects.filter(tier="A", company_owner="x"), "owner"),
    "filter, in camelCase": (lambda: Account.objects.filter(lastUpdated=None), "last_updated"),
    "exclude": (lambda: Account.objects.exclude(nmae="x"), "name"),
    "a custom field": (lambda: Account.objects.filter(teir="A"), "tier"),
    "a lookup": (lambda: Account.objects.filter(name__startwith="A"), "startswith"),
    "a relation": (lambda: Account.objects.filter(ownr__email="x"), "owner__email"),
    "a field over a relation": (lambda: License.objects.filter(company__stauts="x"), "company__status"),
    "a field over two": (lambda: License.objects.filter(company__owner__emial="x"), "company__owner__email"),
    "a relation after one": (lambda: License.objects.filter(company__ownr__email="x"), "company__owner__email"),
    "a lookup over a relation": (lambda: License.objects.filter(company__name__icontain="x"), "icontains"),
    "Q": (lambda: Account.objects.filter(Q(phase="x") | ~Q(nmae="x")), "name"),
    "F": (lambda: Account.objects.filter(mrr__gt=F("renewl_mrr")), "renewal_mrr"),
    "order_by": (lambda: Account.objects.order_by("-mmr"), "mrr"),
    "only": (lambda: Account.objects.only("nmae"), "name"),
    "defer": (lambda: Account.objects.defer("nmae"), "name"),
    "values": (lambda: Account.objects.values("nmae"), "name"),
    "values over a relation": (lambda: Account.objects.values("owner__emial"), "owner__email"),
    "values_list": (lambda: Account.objects.values_list("tiers", flat=True), "tier"),
    "prefetch_related": (lambda: Account.objects.prefetch_related("licnses"), "licenses"),
    "prefetch_related, nested": (lambda: Account.objects.prefetch_related("licenses__compny"), "licenses__company"),
    "select_related": (lambda: Account.objects.select_related("ownr"), "owner"),
    "using": (lambda: Account.objects.using("miror"), "mirror"),
    "get": (lambda: Account.objects.get(exernal_id="x"), "external_id"),
    "get_or_none": (lambda: Account.objects.get_or_none(nmae="x"), "name"),
    "earliest": (lambda: Account.objects.earliest("create_dte"), "create_date"),
    "latest": (lambda: Account.objects.latest("-mrr"), "mrr"),
    "in_bulk": (lambda: Account.objects.in_bulk(["a"], key="externalid"), "external_id"),
    "aggregate": (lambda: Account.objects.aggregate(total=Sum("mmr")), "mrr"),
    "group_by": (lambda: Account.objects.group_by("phse").aggregate(n=Count()), "phase"),
    "the constructor": (lambda: Account(nmae="x"), "name"),
    "create": (lambda: Account.objects.create(nmae="x"), "name"),
    "update": (lambda: Account.objects.update(phse="x"), "phase"),
    "get_or_create": (lambda: Account.objects.get_or_create(externl_id="x"), "external_id"),
    "its defaults": (lambda: Account.objects.get_or_create(external_id="x", defaults={"nmae": "y"}), "name"),
    "update_or_create": (lambda: Account.objects.update_or_create(sorce_id="x"), "source_id"),
    "those defaults": (lambda: Account.objects.update_or_create(external_id="x", defaults={"nmae": "y"}), "name"),
    "bulk_upsert": (lambda: Account.objects.bulk_upsert([{"external_id": "x", "nmae": "y"}]), "name"),
    "bulk_create": (lambda: Account.objects.bulk_create([{"nmae": "y"}]), "name"),
    "bulk_update": (lambda: Account.objects.bulk_update([{"id": "0" * 24, "phse": "y"}]), "phase"),
    "reconcile": (lambda: Account.objects.reconcile([{"a": 1}], key="sourceid"), "source_id"),
    "its mapping": (lambda: Account.objects.reconcile([], key="source_id", mapping={"a": "nmae"}), "name"),
    "setting": (lambda: setattr(Account(name="x"), "phse", "y"), "phase"),
    "save": (lambda: Account.from_wire({"_id": "0" * 24}).save(fields=["phse"]), "phase"),
    "refresh": (lambda: Account.from_wire({"_id": "0" * 24}).refresh(fields=["phse"]), "phase"),
    "a comparison in a name's place": (lambda: Account.objects.filter(**{"mrr>=1000": True}), "mrr__gte"),
    "what people call health": (lambda: Account.objects.filter(health=5), "h"),
    "what people call a name": (lambda: Account.objects.filter(owner__name="x"), "owner__nick_name"),
    "what people call a due date": (lambda: Task.objects.filter(due_date=None), "end_time"),
    "aload": (lambda: asyncio.run(Account.from_wire({"_id": "0" * 24}).aload("ownr")), "owner"),
}  # fmt: skip


@pytest.mark.parametrize("place", WRONG)
def test_a_misspelt_name_gives_the_nearest_before_any_request(place: str, calls: Calls) -> None:
    act, meant = WRONG[place]
    with pytest.raises(FieldError, match=f"Did you mean '{meant}'"):
        act()
    assert calls() == []


PLACES: dict[str, Callable[[Any, str], Any]] = {
    "filter": lambda objects, name: objects.filter(**{name: 5}),
    "exclude": lambda objects, name: objects.exclude(**{name: 5}),
    "a lookup behind it": lambda objects, name: objects.filter(**{f"{name}__gte": 5}),
    "Q": lambda objects, name: objects.filter(~Q(**{name: 5})),
    "order_by": lambda objects, name: objects.order_by(f"-{name}"),
    "values": lambda objects, name: objects.values("id", name),
    "values_list": lambda objects, name: objects.values_list(name, flat=True),
    "only": lambda objects, name: objects.only(name),
    "defer": lambda objects, name: objects.defer(name),
    "update": lambda objects, name: objects.update(**{name: 5}),
    "create": lambda objects, name: objects.create(**{name: 5}),
    "get_or_create": lambda objects, name: objects.get_or_create({name: 5}, source_id="x"),
    "bulk_upsert": lambda objects, name: objects.bulk_upsert([{"source_id": "x", name: 5}]),
    "group_by": lambda objects, name: objects.group_by(name),
    "a figure": lambda objects, name: objects.aggregate(total=Sum(name)),
    "F": lambda objects, name: objects.filter(id__gt=F(name)),
    "latest": lambda objects, name: objects.latest(name),
    "reconcile": lambda objects, name: objects.reconcile([], "id", {"id": "id", "x": name}),
    "refresh": lambda objects, name: objects.model.from_wire({"_id": "0" * 24}).refresh(fields=[name]),
}
MEANT: list[tuple[Any, str, str]] = [
    (Account, "health", "h"), (Account, "owner__name", "owner__nick_name"), (Account, "owner.name", "owner__nick_name"),
    (Task, "due_date", "end_time"), (Account, "mrr>=1000", "mrr__gte"),
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_what_people_call_a_field_is_answered_with_its_whole_path_everywhere(place: str, calls: Calls) -> None:
    for model, name, meant in MEANT:
        with pytest.raises(FieldError, match=f"Did you mean '{meant}'"):
            PLACES[place](model.objects, name)
    assert calls() == []


def test_a_path_over_two_relations_is_answered_whole() -> None:
    for call in (License.objects.values, License.objects.only, License.objects.order_by):
        with pytest.raises(FieldError, match="Did you mean 'company__owner__nick_name'"):
            call("company__owner__name")


def test_a_path_in_the_place_of_a_field_of_the_record_itself_says_which_one_that_is() -> None:
    with pytest.raises(FieldError, match=r"values\(\) reach; here one of Account itself is needed, such as 'owner_id'"):
        Account.objects.only("owner__email")


def test_dots_lead_over_relations_in_conditions_as_they_do_elsewhere() -> None:
    dotted = Account.objects.filter(**{"owner.email__icontains": "x"})
    assert repr(dotted) == repr(Account.objects.filter(owner__email__icontains="x"))


def test_a_name_that_is_near_none_is_answered_with_the_ten_nearest() -> None:
    with pytest.raises(FieldError) as caught:
        Account.objects.filter(xyzzy=1)
    listed = str(caught.value).partition("There is: ")[2]
    assert len(listed.split(", ")) == 11 and listed.endswith(" more.")


def test_a_name_of_100_000_letters_is_answered_at_once_and_in_short() -> None:
    with pytest.raises(FieldError) as caught:
        Account.objects.filter(**{"x" * 100_000: 1})
    assert len(str(caught.value)) < 500
