"""The ids of records that an answer did not name: a GET each for a few, one list for many."""

from __future__ import annotations

import pytest

from planhat_orm.wire.find_by_keys import FEW, find
from planhat_orm.wire.resources import resource

from .direct import Direct


@pytest.mark.parametrize(("count", "requests"), [(0, 0), (1, 1), (FEW, FEW), (FEW + 1, 2), (3000, 2)])
def test_records_are_found_by_their_keys(count: int, requests: int) -> None:
    direct = Direct()
    ids = [direct.store.insert("company", {"name": "x", "externalId": f"c-{n}"})["_id"] for n in range(max(count, 10))]
    rows = [{"externalId": f"c-{n}"} for n in range(count)]
    found = direct.run(find(resource("company"), rows))
    assert [record["_id"] for record in found] == ids[:count]
    assert direct.count("GET") == requests


def test_what_is_not_there_is_none() -> None:
    direct = Direct()
    company = direct.store.insert("company", {"name": "x"})["_id"]
    for n in range(10):
        direct.store.insert("enduser", {"email": f"{n}@x.example", "companyId": company, "archived": n == 3})
    rows = [{"email": f"{n}@X.example"} for n in range(2, 12)]
    found = direct.run(find(resource("enduser"), rows))
    assert [bool(record) for record in found] == [True] * 8 + [False] * 2
    few = direct.run(find(resource("company"), [{"externalId": "none"}, {}]))
    assert few == [None, None]
