"""`company.licenses` in a loop, and one record by an id that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm import Company, License, Planhat, ValidationError
from planhat_orm.emulator import Emulator

from .conftest import Calls

Own = Callable[..., tuple[Any, Planhat]]
pytestmark = pytest.mark.filterwarnings("ignore::planhat_orm.FullScanWarning")


def test_a_loop_over_licences_of_companies_loads_them_for_all(planhat: Planhat, calls: Calls) -> None:
    companies = list(Company.objects.all())
    for _ in range(2):
        calls()
        found = [licence.id for company in companies for licence in company.licenses]
        assert len(found) == len(set(found)) == 90
        assert len(calls()) <= 4, "the first company alone, then all others at once"


def test_one_company_of_many_asks_for_its_own_licences_only(planhat: Planhat, emulator: Emulator) -> None:
    companies = list(Company.objects.all())
    emulator.log.clear()
    for _ in range(3):
        list(companies[7].licenses)
    assert [call.query["companyId"] for call in emulator.log] == [companies[7].id] * len(emulator.log)


def test_licences_read_again_show_what_was_written_meanwhile(own: Own) -> None:
    own(companies=5, licenses=9, endusers=0, seed=2)
    companies = list(Company.objects.all())
    for place, company in enumerate(companies):
        before = len(list(company.licenses))
        License.objects.create(company=company, external_id=f"new-{place}", currency="EUR", value=1)
        assert len(list(company.licenses)) == len(list(company.licenses.all())) == before + 1
    assert [len(list(company.licenses)) for company in companies] == [company.licenses.count() for company in companies]


def test_all_of_a_prefetched_relation_costs_nothing(planhat: Planhat, calls: Calls) -> None:
    companies = list(Company.objects.prefetch_related("licenses"))
    calls()
    assert sum(len(list(company.licenses.all())) for company in companies) == 90
    assert not calls()


@pytest.mark.parametrize("verb", ["get", "get_or_none"])
def test_an_id_that_is_none_is_refused_rather_than_read_as_no_condition(
    planhat: Planhat, calls: Calls, verb: str
) -> None:
    with pytest.raises(ValidationError, match="None"):
        getattr(Company.objects, verb)(None)
    assert not calls()
