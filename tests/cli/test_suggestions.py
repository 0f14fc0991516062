"""A name that the model does not have, typed anywhere in a query: the answer is what can be typed in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run

PLACES = {
    "a condition": ["{name}=5"],
    "a comparison": ["{name}>5"],
    "the order": ["--order", "-{name}"],
    "a column": ["--columns", "id,{name}"],
    "groups": ["--by", "{name}", "--count"],
    "a sum": ["--sum", "{name}"],
    "a condition as in Python": ["{name}__gte=5"],
}
NAMES = [
    ("Company", "health", "'h'"),
    ("Company", "owner.name", "'owner__nick_name'"),
    ("Company", "owner__name", "'owner__nick_name'"),
    ("Task", "due_date", "'end_time'"),
    ("License", "company.owner.name", "'company__owner__nick_name'"),
]


@pytest.mark.parametrize("place", PLACES)
def test_what_people_call_a_field_is_answered_with_its_whole_path(connected: Run, place: str) -> None:
    for model, name, meant in NAMES:
        shown = connected("query", model, *(word.format(name=name) for word in PLACES[place]))
        assert shown.code == 2 and f"Did you mean {meant}?" in shown.err


def test_a_condition_in_a_names_place_is_told_where_it_stands(connected: Run) -> None:
    for option in ("--order", "--columns", "--by", "--sum"):
        shown = connected("query", option, "mrr>=1000")
        assert shown.code == 2 and 'stands behind the model: Company "mrr>=1000"' in shown.err


def test_a_mapping_is_answered_too(connected: Run) -> None:
    Path("a.csv").write_text("external_id,x\na,1\n", "utf-8")
    for goal, meant in (("owner__name", "owner__nick_name"), ("health", "h"), ("mrr>=1000", "mrr__gte")):
        Path("map.toml").write_text(f'external_id = "external_id"\nx = "{goal}"\n', "utf-8")
        shown = connected("push", "a.csv", "--model", "Company", "--key", "external_id", "--map", "map.toml")
        assert shown.code == 2 and f"Did you mean '{meant}'" in shown.err
