"""The warning of a full scan: for queries that the server cannot narrow down, once for each place in the code."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from planhat_orm import Company, Count, Enduser, FullScanWarning, License, Planhat, PlanhatError, Q, User
from planhat_orm.emulator import Emulator

from .conftest import connect


@pytest.fixture
def warning(emulator: Emulator) -> Iterator[Planhat]:
    with connect(emulator, scan="warn") as planhat:
        yield planhat


def caught(*acts: Any) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for act in acts:
            act()
    return seen


@pytest.mark.usefixtures("warning")
def test_one_place_warns_once_whatever_the_filter() -> None:
    def scan() -> list[Company]:
        return list(Company.objects.filter(mrr__gt=1))

    [only] = caught(scan, scan, scan)
    assert only.category is FullScanWarning and only.filename == __file__
    assert "using('mirror')" in str(only.message) and "explain()" in str(only.message)
    [other] = caught(lambda: list(Company.objects.filter(mrr__gt=1)))
    assert other.lineno != only.lineno


@pytest.mark.usefixtures("warning")
def test_every_verb_warns() -> None:
    queryset = Company.objects.filter(mrr__gt=1)
    for act in (
        lambda: queryset.all().count(),
        lambda: queryset.all().first(),
        lambda: queryset.all().last(),
        lambda: queryset.all().exists(),
        lambda: bool(queryset.all()),
        lambda: queryset.latest("mrr"),
        lambda: queryset.aggregate(n=Count()),
        lambda: queryset.group_by("phase").aggregate(n=Count()),
        lambda: list(queryset.values("name")),
        lambda: queryset.only("name").to_arrow(),
        lambda: Company.objects.get_or_none(name="nobody"),
        lambda: list(License.objects.filter(company__status="customer")),
        lambda: list(Company.objects.filter(Q(id="0" * 24) | Q(mrr__lt=0))),
    ):
        assert [warning.category for warning in caught(act)] == [FullScanWarning]


@pytest.mark.usefixtures("warning")
def test_what_is_wanted_whole_or_narrowed_by_the_server_does_not_warn() -> None:
    company = Company.objects.first()
    assert company is not None
    assert (
        caught(
            lambda: list(Company.objects.all()),
            lambda: Company.objects.count(),
            lambda: list(Company.objects.iterator()),
            lambda: list(Company.objects.filter(mrr__gt=1).iterator()),
            lambda: list(Company.objects.order_by("-mrr")[:3]),
            lambda: Company.objects.get(company.id),
            lambda: list(Company.objects.filter(id__in=[company.id, "0" * 24], mrr__gt=1)),
            lambda: list(company.licenses.filter(value__gt=1)),
            lambda: list(Enduser.objects.filter(email="nobody@example.com")),
            lambda: list(License.objects.filter(company=company, value__gt=1)),
            lambda: list(License.objects.filter(company__id=company.id)),
            lambda: [record.company for record in License.objects.all()],
            lambda: Company.objects.filter(mrr__gt=1).explain(),
        )
        == []
    )


def test_a_cached_list_is_no_scan(emulator: Emulator) -> None:
    with connect(emulator, scan="raise", cache={User: 60}):
        assert User.objects.filter(is_hidden=False).count() == User.objects.exclude(is_hidden=True).count()


def test_tasks_warn_at_the_place_of_the_await(warning: Planhat) -> None:
    async def main() -> None:
        for _ in range(2):
            async for _ in Company.objects.filter(mrr__gt=1):
                pass
        await Company.objects.filter(mrr__gt=1).acount()
        await warning.aclose()

    seen = caught(lambda: asyncio.run(main()))
    assert len(seen) == 2 and {item.filename for item in seen} == {__file__}


def test_scan_raise_stops_before_the_first_request(emulator: Emulator) -> None:
    with connect(emulator, scan="raise"):
        emulator.log.clear()
        for act in (
            lambda: list(Company.objects.filter(mrr__gt=1)),
            lambda: Company.objects.filter(mrr__gt=1).update(phase="x"),
        ):
            with pytest.raises(PlanhatError, match="none of these conditions"):
                act()
        assert len(emulator.log) == 0
        assert list(Company.objects.all())


def test_a_warning_made_an_error_comes_each_time(warning: Planhat) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(FullScanWarning):
                Company.objects.filter(mrr__gt=1).count()
