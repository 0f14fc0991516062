"""Names that Django has and this library has not say what to write instead, and what they say works."""

from __future__ import annotations

import re

import pytest

import planhat_orm
from planhat_orm import Company, QuerySet
from planhat_orm.query.django_names import INSTEAD


@pytest.mark.parametrize("name", sorted(INSTEAD))
def test_a_name_of_django_says_what_to_write_instead(name: str) -> None:
    assert name not in planhat_orm.__all__
    with pytest.raises(ImportError, match=re.escape(f"planhat_orm has no {name}. {INSTEAD[name]}")):
        exec(f"from planhat_orm import {name}", {})


def test_other_names_are_missing_as_they_are_everywhere() -> None:
    assert not hasattr(planhat_orm, "Outer")
    with pytest.raises(ImportError, match="cannot import name 'Outer' from 'planhat_orm'"):
        exec("from planhat_orm import Outer", {})


VALUES = r"\b(?:Case|Exists|Trunc|Count|Max|F)\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)(?: \* 12)?"


@pytest.mark.parametrize(
    "value", [value for text in dict.fromkeys(INSTEAD.values()) for value in re.findall(VALUES, text)]
)
def test_what_it_says_is_a_value_or_a_condition(value: str) -> None:
    names = {name: getattr(planhat_orm, name) for name in planhat_orm.__all__}
    made, companies = eval(value, names), Company.objects
    found = companies.filter(made) if value.startswith("Exists") else companies.annotate(written=made)
    assert isinstance(found, QuerySet)
