"""A merge whose process ends at any of its writes, and is done again, ends as one that nothing disturbed.

On the second server. What belongs to both companies is of every kind; one contact is in both of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company
from tests.scale import sized

from ..other_server.stand_in import StandIn
from .conftest import client
from .test_merge import CHILDREN, Crash, crash_at, insert, two

STAMPS = {"updatedAt", "lastUpdated", "createdAt", "createDate", "phaseSince", "date", "inDate", "landingDate"}
CRASH = 19
"""The write at which the process ends by default: the first after the other company went. `make torture` tries all."""


@contextmanager
def scene() -> Iterator[tuple[StandIn, str, str]]:
    """A server with two companies, which have records of every kind, and the ids of the companies."""
    with StandIn(0) as server:
        keep, other = two(server)
        for name in CHILDREN:
            if name not in ("ticket", "enduser"):
                insert(server, name, keep)
            insert(server, name, other)
        server.store.insert("enduser", {"email": "a@x.example", "companyId": keep})
        double = server.store.insert(
            "enduser", {"email": "a@x.example", "companyId": other, "externalId": "e-1", "position": "CTO"}
        )["_id"]
        server.store.insert("license", {**CHILDREN["license"], "companyId": other, "externalId": "l-1"})
        server.store.insert("issue", {"title": "Of both", "companyIds": [keep, other], "enduserIds": [double]})
        yield server, keep, other


def state(server: StandIn) -> dict[str, list[Any]]:
    """All records, without the moments of their changes, and with a number for each id in the order of making."""
    rows = {name: server.store.all(name) for name in ("company", *CHILDREN)}
    ids = sorted(set(re.findall(r"\b[0-9a-f]{24}\b", repr(rows))))
    numbers = {id: f"#{number}" for number, id in enumerate(ids)}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(item) for name, item in sorted(value.items()) if name not in STAMPS}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    return {name: sorted(map(plain, records), key=repr) for name, records in rows.items()}


@pytest.fixture(scope="module")
def undisturbed() -> tuple[dict[str, list[Any]], int]:
    """What a merge comes to that nothing disturbs, and how many writes it takes."""
    with scene() as (server, keep, other):
        planhat = client(server, None)
        writes = crash_at(planhat, 0, "request")
        Company.objects.using(planhat).merge(keep, other).apply()
        planhat.close()
        assert not any(other in repr(server.store.all(name)) for name in ("company", *CHILDREN))
        return state(server), writes[0]


def merge_until_it_dies(server: StandIn, where: Path | None, keep: str, other: Any, number: int, event: str) -> bool:
    """Merge in a client that dies at its write of a number; say whether it died."""
    planhat = client(server, where)
    crash_at(planhat, number, event)
    try:
        Company.objects.using(planhat).merge(keep, other).apply()
    except Crash:
        return True
    finally:
        planhat.close()
    return False


@pytest.mark.parametrize(
    ("event", "has_mirror"),
    [
        ("request", True),
        ("response", False),
        pytest.param("request", False, marks=pytest.mark.torture),
        pytest.param("response", True, marks=pytest.mark.torture),
    ],
)
def test_a_merge_that_dies_at_any_write_and_is_done_again_ends_as_an_undisturbed_one(
    undisturbed: tuple[dict[str, list[Any]], int], event: str, has_mirror: bool, tmp_path: Path
) -> None:
    wanted, writes = undisturbed
    for number in sized(range(CRASH, CRASH + 1), range(1, writes + 1)):
        with scene() as (server, keep, other):
            where = tmp_path / f"{number}.db" if has_mirror else None
            if where is not None:
                synced = client(server, where)
                synced.sync()
                synced.close()
            reader = client(server, None)
            gone = Company.objects.using(reader).get(other)
            assert merge_until_it_dies(server, where, keep, gone, number, event)
            planhat = client(server, where)
            # Without a mirror nobody knows the keys of what is gone, but the record itself.
            Company.objects.using(planhat).merge(keep, other if has_mirror else gone).apply()
            held = state(server)
            if not has_mirror:
                give_back_what_nobody_knows(held, wanted)
            assert held == wanted, number
            if has_mirror:
                assert planhat.push().ok and not len(planhat.mirror.outbox), number
                assert state(server) == wanted, number
            assert Company.objects.using(planhat).merge(keep, gone).is_empty
            planhat.close()
            reader.close()


def give_back_what_nobody_knows(held: dict[str, list[Any]], wanted: dict[str, list[Any]]) -> None:
    """A contact that was deleted before its key was handed over took it along: without a mirror there is no memory."""
    for contact in held["enduser"]:
        if contact["email"] == "a@x.example" and contact.get("externalId") is None:
            contact["externalId"] = "e-1"
    held["enduser"].sort(key=repr)
