"""The past, as generated histories made it: every moment can be asked for, like the present, and says what was then.

A model in plain Python lives through the same creates, changes, silent changes, deletions, undeletions, own writes
and prunings as the server; what the mirror says of a moment must be what the model was at that moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from planhat_orm import Company, Count, License, Planhat, Sum
from planhat_orm.emulator import Emulator
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import tables
from planhat_orm.mirror.db.layout import layout_for
from tests.scale import LONG, sized

from .conftest import Runner, mirror_rows

Row = dict[str, Any]
Tables = dict[str, dict[str, Row]]
RESOURCES = ("company", "license")
EMBEDDED = ("licenses", "sales")

names = st.sampled_from(["company", "license"])
values = st.none() | st.booleans() | st.sampled_from(["a", "b", "", 1, 1.5, [1, {"x": None}], {"k": [True]}])
fields = st.fixed_dictionaries(
    {},
    optional={
        "phase": st.sampled_from(["Live", "Trial", None]),
        "value": st.sampled_from([1, 2.5, None]),
        "tags": st.lists(st.sampled_from("ab"), max_size=2),
        "custom": st.dictionaries(st.sampled_from(["A", "B", "odd 'label' \"x\""]), values, max_size=3),
    },
)
places = st.integers(0, 2)
steps = st.lists(
    st.tuples(st.just("create"), names, fields)
    | st.tuples(st.just("update"), names, places, fields)
    | st.tuples(st.just("silent"), names, places, fields)
    | st.tuples(st.just("delete"), names, places)
    | st.tuples(st.just("undelete"), names, places)
    | st.tuples(st.just("mine"), names, places, fields)
    | st.tuples(st.just("sync"))
    | st.tuples(st.just("sync"))
    | st.tuples(st.just("prune")),
    min_size=4,
    max_size=25,
)


ONE_LIFE: list[tuple[Any, ...]] = [
    ("update", "company", 0, {"phase": "Live", "custom": {"A": "a"}}),
    ("sync",),
    ("update", "company", 0, {"phase": "Trial", "custom": {"A": None, "B": 1}}),
    ("sync",),
    ("mine", "company", 0, {"phase": "Live", "tags": ["a"]}),
    ("mine", "company", 0, {"custom": {"A": "a"}}),
    ("sync",),
    ("silent", "company", 0, {"tags": ["b"]}),
    ("sync",),
    ("delete", "company", 0),
    ("sync",),
    ("undelete", "company", 0),
]
"""All that can happen to a record, to one record."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(0) as emulator:
        yield emulator


class Story:
    """One generated history, told to the server, seen by the mirror, and kept by a model."""

    def __init__(self, emulator: Emulator, mirror: Mirror) -> None:
        self.emulator, self.mirror, self.run = emulator, mirror, Runner(emulator.url)
        for name in ("company", "license"):
            for id in list(emulator.store.table(name).ids()):
                emulator.store.delete(name, id)
        self.gone: dict[str, dict[str, Row]] = {"company": {}, "license": {}}
        self.past: list[tuple[datetime, Tables]] = []
        emulator.store.insert("company", {"name": "first"})
        emulator.store.insert("license", {"product": "first"})
        self.sync()

    def tell(self, step: tuple[Any, ...]) -> None:
        verb, *rest = step
        if verb == "sync":
            self.sync()
        elif verb == "prune":
            time.sleep(0.002)
            self.mirror.prune(timedelta(0))
            self.past.clear()
            self.remember()
        elif verb == "create":
            companies = sorted(self.emulator.store.table("company").ids())
            link = (
                {"companyId": companies[len(self.past) % len(companies)]} if companies and rest[0] == "license" else {}
            )
            self.emulator.store.insert(rest[0], {"name": "N", **link, **deepcopy(rest[1])})
        else:
            name, place = rest[0], rest[1]
            ids = sorted(self.gone[name] if verb == "undelete" else self.emulator.store.table(name).ids())
            if ids:
                self.change(verb, name, ids[place % len(ids)], deepcopy(rest[-1]))

    def change(self, verb: str, name: str, id: str, fields: Any) -> None:
        store = self.emulator.store
        if verb == "update":
            store.update(name, id, fields)
        elif verb == "silent":
            store.update(name, id, fields, touch=False)
        elif verb == "delete":
            self.gone[name][id] = next(row for row in store.all(name) if row["_id"] == id)
            store.delete(name, id)
        elif verb == "undelete":
            store.load(name, [self.gone[name].pop(id)])
        elif id in mirror_rows(self.mirror, name):
            store.update(name, id, fields)
            self.mirror.store(name, [{"_id": id, **fields}])
            self.remember()

    def sync(self) -> None:
        self.run(self.mirror.sync(["Company", "License"]))
        self.remember()

    def remember(self) -> None:
        time.sleep(0.002)
        self.past.append((datetime.now(UTC), {name: mirror_rows(self.mirror, name) for name in ("company", "license")}))
        time.sleep(0.002)


def check(story: Story, planhat: Planhat) -> None:
    """Ask every remembered moment what it asks the present, through the public face."""
    for moment, then in story.past:
        companies, licenses = Company.objects.as_of(moment), License.objects.as_of(moment)
        found = {
            company.id: {key: v for key, v in company.to_wire().items() if key not in EMBEDDED} for company in companies
        }
        assert found == then["company"]
        assert {license_.id for license_ in licenses} == then["license"].keys()
        live = {id for id, row in then["company"].items() if row.get("phase") == "Live"}
        assert {record.id for record in companies.filter(phase="Live")} == live
        assert companies.exclude(phase="Live").count() == len(then["company"]) - len(live)
        tagged = {id for id, row in then["company"].items() if "a" in (row.get("tags") or [])}
        assert {record.id for record in companies.filter(tags__contains="a")} == tagged
        custom = {id for id, row in then["company"].items() if (row.get("custom") or {}).get("A") == "a"}
        assert {record.id for record in companies.filter(custom__A="a")} == custom
        ordered = [
            (record.phase, record.id) for record in companies.order_by("-phase", "id") if record.phase is not None
        ]
        assert ordered == sorted(sorted(ordered, key=_id), key=_phase, reverse=True)
        figures = licenses.aggregate(n=Count(), sum=Sum("value"))
        present = [row["value"] for row in then["license"].values() if row.get("value") is not None]
        assert (figures["n"], figures["sum"] or 0) == (len(then["license"]), pytest.approx(sum(present)))

        joined = {
            row["_id"]
            for row in then["license"].values()
            if then["company"].get(str(row.get("companyId")), {}).get("phase") == "Live"
        }
        assert {record.id for record in licenses.filter(company__phase="Live")} == joined


def _id(pair: tuple[str, str]) -> str:
    return pair[1]


def _phase(pair: tuple[str, str]) -> str:
    return pair[0]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def planhat(
    request: pytest.FixtureRequest, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Planhat]:
    where = (
        str(tmp_path_factory.mktemp("past") / "mirror.db")
        if request.param == "sqlite"
        else request.getfixturevalue("postgres")()
    )
    with Planhat("test-token", api_url=emulator.url, mirror=where) as planhat:
        yield planhat


@settings(
    max_examples=sized(3, 200),
    derandomize=not LONG,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, *(sized([], [Phase.shrink]))],
    suppress_health_check=list(HealthCheck),
)
@example(ONE_LIFE)
@given(steps=steps)
def test_the_past_is_what_the_mirror_was(planhat: Planhat, emulator: Emulator, steps: list[tuple[Any, ...]]) -> None:
    with planhat.mirror.database.writing() as connection:
        for table in (tables.changes, tables.models, tables.stage, *map(tables.records, map(layout_for, RESOURCES))):
            connection.execute(delete(table))
    story = Story(emulator, planhat.mirror)
    for step in [*steps, ("sync",)]:
        story.tell(step)
    check(story, planhat)
