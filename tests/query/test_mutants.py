"""The property test is able to fail: it dies of every lookup that is broken on purpose, in each reading."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.scale import LONG

from .generated import disagreements
from .mutants import MUTANTS, Mutant, lived
from .readings import Mirrored, by_api, by_python

# The generated queries make labels up.
pytestmark = pytest.mark.filterwarnings("ignore::planhat_orm.errors.UnknownNameWarning")

FEW = 4
"""Mutants of each reading in a short run; which ones follows from the seed."""


def chosen() -> list[Mutant]:
    if LONG:
        return MUTANTS
    dice = random.Random(20260504)
    return [
        mutant
        for reading in ("API", "Python", "mirror")
        for mutant in dice.sample([mutant for mutant in MUTANTS if mutant.reading == reading], FEW)
    ]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    made = Mirrored(tmp_path_factory.mktemp("mutants") / "mirror.db")
    yield made
    made.close()


@pytest.mark.parametrize("mutant", chosen(), ids=str)
def test_a_broken_lookup_is_noticed(mutant: Mutant, mirrored: Mirrored) -> None:
    assert lived(mutant, mirrored) is not None, f"{mutant} survived"


def test_nothing_is_noticed_when_nothing_is_broken(mirrored: Mirrored) -> None:
    assert list(disagreements(range(2), {"API": by_api, "Python": by_python, "mirror": mirrored})) == []


def test_every_lookup_is_broken_in_every_reading() -> None:
    names = {str(mutant) for mutant in MUTANTS}
    assert len(names) == len(MUTANTS) > 200
