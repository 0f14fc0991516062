"""Sums that SQLite makes of whole numbers by itself: where a number is none, the figure is the exact one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Avg, Company, Q, Sum
from planhat_orm.query.settle import settled

from .readings import Mirrored, by_python

PHASES: dict[str, list[float]] = {
    "whole": [7, 0, -12],
    "empty": [],
    "fractions": [0.1, 0.2, -0.3, 2],
    "large": [9e18, 9e18, 1],
    "digits": [2**60, 1],
    "both ways": [1e308, 1e308, -1e308, -1e308],
    "below": [-9e18, -9e18],
}
ROWS = [
    {"_id": f"c{number:023}", "name": "x", "phase": phase, "mrr": mrr}
    for number, (phase, mrr) in enumerate(
        [("whole", 3)] * 1200 + [(phase, mrr) for phase, mrrs in PHASES.items() for mrr in [*mrrs, None]]
    )
]
FIGURES = {
    "sum": Sum("mrr"),
    "mean": Avg("mrr"),
    "at least 0": Sum("mrr", filter=Q(mrr__gte=0)),
    "or 5": Sum("mrr", default=5),
    "mean or 5": Avg("mrr", default=5),
}


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    made = Mirrored(Path(tmp_path_factory.mktemp("sums") / "mirror.db"))
    made.fill({"company": ROWS})
    yield made
    made.close()


def both(groups: Any, mirrored: Mirrored) -> tuple[list[Any], list[Any]]:
    query = settled(groups._query, datetime(2026, 6, 1, tzinfo=UTC), "UTC")
    tenant: Any = {"company": ROWS}
    return mirrored(query, tenant), by_python(query, tenant)


@pytest.mark.parametrize("name", FIGURES)
def test_a_sum_is_exact_whatever_numbers_the_first_thousand_are(name: str, mirrored: Mirrored) -> None:
    found, expected = both(Company.objects.group_by("phase").annotate(s=FIGURES[name]), mirrored)
    assert found == expected
    assert all(isinstance(row["s"], float) for row in found if row["s"] is not None)


def test_conditions_and_order_see_the_exact_sum(mirrored: Mirrored) -> None:
    groups = Company.objects.group_by("phase").annotate(s=Sum("mrr")).filter(s__lt=1e300).order_by("-s")
    found, expected = both(groups, mirrored)
    assert found == expected and len(found) == 6


def test_the_sum_of_all_is_exact(mirrored: Mirrored) -> None:
    query = Company.objects.filter(mrr__lt=1e15, mrr__gt=-1e15)._query
    query = query.changed(
        groups=(), annotations=Company.objects.group_by("phase").annotate(s=Sum("mrr"))._query.annotations
    )
    tenant: Any = {"company": ROWS}
    assert mirrored(query, tenant) == by_python(query, tenant) == [{"s": 3599.0}]
