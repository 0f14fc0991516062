"""Ids that no record can have: conditions may name them, and references may hold them. They find nothing, anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from planhat_orm import Company, License, Q
from planhat_orm.query.query import Query
from planhat_orm.query.settle import settled

from .readings import Mirrored, by_api, by_python
from .tenants import Tenant

ACME, BETA = "c" + "0" * 23, "c" + "1" * 23
ODD = ["", " ", ".", "..", "extid-7", "srcid-"]
TENANT: Tenant = {
    "company": [{"_id": ACME, "name": "Acme"}, {"_id": BETA, "name": "Beta"}],
    "license": [
        {"_id": f"{place:024}", "companyId": id, "product": "Core"}
        for place, id in enumerate([*ODD, "x" * 2_000, {"_id": ""}, ACME])
    ],
}


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    made = Mirrored(tmp_path_factory.mktemp("ids") / "mirror.db")
    made.fill(TENANT)
    yield made
    made.close()


def answers(query: Query, mirrored: Mirrored) -> list[list[str]]:
    query = settled(query, datetime(2026, 6, 1, tzinfo=UTC), "UTC")
    readings: list[Callable[[Query, Tenant], list[Any]]] = [by_api, by_python, mirrored]
    return [[id for id, _ in reading(query, TENANT)] for reading in readings]


@pytest.mark.parametrize("id", ODD)
def test_a_condition_may_name_an_id_that_no_record_can_have(id: str, mirrored: Mirrored) -> None:
    assert answers(Company.objects.filter(id=id)._query, mirrored) == [[]] * 3
    assert answers(Company.objects.filter(id__in=[id, BETA])._query, mirrored) == [[BETA]] * 3
    assert answers(Company.objects.exclude(id=id)._query, mirrored) == [[ACME, BETA]] * 3


def test_references_may_hold_such_ids(mirrored: Mirrored) -> None:
    assert answers(Company.objects.filter(licenses__product="Core")._query, mirrored) == [[ACME]] * 3
    assert answers(Company.objects.exclude(licenses__product="Core")._query, mirrored) == [[BETA]] * 3
    acme = License.objects.filter(Q(company__name="Acme") | Q(company__name="Beta"))._query
    assert answers(acme, mirrored) == [[f"{len(ODD) + 2:024}"]] * 3
