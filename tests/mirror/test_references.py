"""Lists of references come as ids or as objects (docs/reference/planhat-api.md section 6): the same ids are read, found and sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Issue, Planhat, User
from planhat_orm.emulator import Emulator
from planhat_orm.emulator.views import ROLES
from planhat_orm.fields import RefList
from planhat_orm.http.effects import Request
from planhat_orm.models import resources as declared

A, B, C = ROLES
Connect = Callable[..., tuple[Emulator, Planhat]]


@pytest.fixture(params=["sqlite", "postgres"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Start a tenant with two users, and a client with a mirror."""
    with ExitStack() as stack:

        def begin(**options: Any) -> tuple[Emulator, Planhat]:
            emulator = stack.enter_context(Emulator(0, licenses=0, endusers=0, conversations=0, tasks=0))
            for id in emulator.store.table("user").ids():
                emulator.store.table("user").remove(id)
            for name, roles in (("Ada", [A, B]), ("Bo", [C])):
                emulator.store.insert("user", {"nickName": name, "email": f"{name}@us.example", "roles": roles})
            where = tmp_path / "planhat.db" if request.param == "sqlite" else request.getfixturevalue("postgres")()
            planhat = Planhat(
                emulator.api_token, api_url=emulator.url, calls_per_min=1e9, scan="allow", mirror=where, **options
            )
            stack.callback(planhat.close)
            planhat.sync(User)
            return emulator, planhat

        yield begin


@pytest.mark.parametrize("source", ["api", "mirror"])
def test_objects_and_ids_are_read_alike(connect: Connect, source: str) -> None:
    _, planhat = connect()
    users = User.objects.using(planhat).using(source)
    ada = users.get(nick_name="Ada")
    assert ada.roles == users.get(str(ada.id)).roles == [A, B]
    assert ada.changes() == {}
    assert users.filter(roles__contains=A).get() == users.filter(roles__overlap=["x", B]).get() == ada
    assert users.exclude(roles__contains=A).get().nick_name == "Bo"
    assert users.filter(roles__isnull=False).count() == 2
    assert list(users.order_by("nick_name").values("nick_name", "roles")) == [
        {"nick_name": "Ada", "roles": [A, B]}, {"nick_name": "Bo", "roles": [C]},
    ]  # fmt: skip
    assert users.only("nick_name", "roles").order_by("nick_name").to_arrow().to_pylist()[0]["roles"] == [A, B]
    [listed] = [row for page in planhat.user.get_list(select="roles") for row in page if row["_id"] == ada.id]
    assert ada.to_wire()["roles"] == listed["roles"] == [{"_id": id, **ROLES[id]} for id in (A, B)], "nothing is lost"


def test_an_edit_sends_ids_only(connect: Connect) -> None:
    emulator, planhat = connect()
    sent: list[Request] = []
    planhat.on("request", sent.append)
    ada = User.objects.get(nick_name="Ada")
    ada.roles.append(C)
    assert ada.changes() == {"roles": ([A, B], [A, B, C])}
    sent.clear()
    ada.save()
    [put] = sent
    assert put.body is not None and json.loads(put.body) == {"roles": [A, B, C]}
    stored = emulator.store.get("user", str(ada.id))
    assert stored is not None and stored["roles"] == [A, B, C]
    assert ada.changes() == {} and User.objects.using("mirror").get(nick_name="Ada").roles == [A, B, C]


@pytest.mark.parametrize("others", [0, 8])
def test_what_was_expanded_is_no_conflict(connect: Connect, others: int) -> None:
    """One record is compared with a GET, many with a list: the answers have other shapes."""
    emulator, planhat = connect()
    for number in range(others):
        emulator.store.insert("user", {"nickName": f"U{number}", "email": f"{number}@us.example", "roles": [A]})
    users = list(User.objects.all())
    emulator.store.update("user", str(users[0].id), {"roles": [A, B, C]})
    with planhat.batch(on_conflict="raise"):
        for user in users:
            user.roles = [id for id in user.roles if id != A]
            user.save()
    assert all(A not in row["roles"] for row in emulator.store.all("user"))
    first = emulator.store.get("user", str(users[0].id))
    assert first is not None and first["roles"] == [B, C], "their addition stays, my removal too"


def test_every_list_of_references_is_declared_as_one() -> None:
    for name in declared.__all__:
        model = getattr(declared, name)
        known = model._meta.resource.fields
        lists = {wire for wire, trait in known.items() if trait.type == "array of objectId"}
        assert lists == {field.wire for field in model._meta.fields.values() if isinstance(field, RefList)}, name


def test_what_is_no_reference_stays_as_it_is() -> None:
    odd = Issue.from_wire({"_id": "i", "companyIds": [{"id": "a"}, None, 5, {"name": "x"}, "b"], "enduserIds": "e"})
    assert odd.company_ids == ["a", None, 5, {"name": "x"}, "b"] and odd.enduser_ids == "e"  # type: ignore[comparison-overlap]
    assert odd.changes() == {}
