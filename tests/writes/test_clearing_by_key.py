"""None, and an empty list, on a new record that finds one of Planhat by a key: they clear what it holds there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import Company, Custom, Planhat

from .conftest import Plain


class Account(Company):
    """A company with a list of its own."""

    seats = Custom("Seats", list)


Write = Callable[[Planhat], Any]
WRITES: dict[str, Write] = {
    "a record": lambda planhat: Account.objects.using(planhat).bulk_upsert(
        [Account(external_id="c-1", phase=None, tags=[], custom__Tier=None, seats=["b"])]
    ),
    "update_or_create": lambda planhat: Account.objects.using(planhat).update_or_create(
        external_id="c-1", defaults={"phase": None, "tags": None, "custom": {"Tier": None, "Seats": ["b"]}}
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_none_and_an_empty_list_clear_the_record_that_a_key_finds(plain: Plain, write: Write) -> None:
    server, planhat = plain
    held = {"phase": "Trial", "tags": ["x"], "custom": {"Tier": "A", "Seats": ["a"], "Other": 1}}
    server.store.insert("company", {"name": "C1", "externalId": "c-1", **held})
    write(planhat)
    [stored] = server.store.all("company")
    assert stored["phase"] is None and stored["tags"] in ([], None)
    # One server keeps the label, the other drops it.
    assert {label: value for label, value in stored["custom"].items() if value is not None} == {
        "Seats": ["b"],
        "Other": 1,
    }


def test_none_in_a_row_says_nothing_without_an_id_as_it_is_the_empty_cell_of_a_frame(plain: Plain) -> None:
    server, planhat = plain
    held = {"phase": "Trial", "tags": ["x"], "custom": {"Seats": ["a"]}}
    id = server.store.insert("company", {"name": "C1", "externalId": "c-1", **held})["_id"]
    objects = Account.objects.using(planhat)
    objects.bulk_upsert([{"external_id": "c-1", "phase": None, "custom.Tier": None}])
    [stored] = server.store.all("company")
    assert {key: stored[key] for key in held} == held
    objects.bulk_upsert([{"id": id, "phase": None}])
    [stored] = server.store.all("company")
    assert stored["phase"] is None


def test_an_empty_list_in_a_row_clears(plain: Plain) -> None:
    server, planhat = plain
    server.store.insert("company", {"name": "C1", "externalId": "c-1", "tags": ["x"]})
    Account.objects.using(planhat).bulk_upsert([{"external_id": "c-1", "tags": []}])
    [stored] = server.store.all("company")
    assert not stored["tags"]


def test_a_custom_list_that_is_set_empty_clears_too(plain: Plain) -> None:
    server, planhat = plain
    server.store.insert("company", {"name": "C1", "externalId": "c-1", "custom": {"Seats": ["a"]}})
    Account.objects.using(planhat).bulk_upsert([Account(external_id="c-1", seats=[])])
    [stored] = server.store.all("company")
    assert stored["custom"] == {"Seats": []}


def test_what_was_only_read_of_a_new_record_clears_nothing(plain: Plain) -> None:
    server, planhat = plain
    held = {"phase": "Trial", "tags": ["x"], "custom": {"Seats": ["a"]}}
    server.store.insert("company", {"name": "C1", "externalId": "c-1", **held})
    account = Account(external_id="c-1", name="New")
    assert not account.tags and not account.seats and account.phase is None
    Account.objects.using(planhat).bulk_upsert([account])
    [stored] = server.store.all("company")
    assert stored["name"] == "New"
    assert {key: stored[key] for key in held} == held


def test_a_record_that_no_key_can_find_is_sent_without_what_it_has_not() -> None:
    assert Account(name="New", phase=None, tags=[], seats=[], custom__Tier=None).changes() == {"name": (None, "New")}


def test_a_list_that_is_set_empty_on_a_record_made_of_its_id_clears(plain: Plain) -> None:
    server, planhat = plain
    id = server.store.insert("company", {"name": "C1", "tags": ["x"]})["_id"]
    Account.objects.using(planhat).bulk_upsert([Account(id=id, tags=[])])
    [stored] = server.store.all("company")
    assert not stored["tags"]
