"""Rows and frames that come straight from columns say what records say, whatever the values are, from either source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow
import pytest

from planhat_orm import Company, Count, Custom, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.queryset.one_value import read


class Odd(Company):
    """A company with fields of every way in which one is kept."""

    tier = Custom("Tier", str)
    modules = Custom("Modules", list)


NAMES = (
    "id",
    "name",
    "mrr",
    "auto_renews",
    "next_touch",
    "updated_at",
    "tags",
    "owner_id",
    "custom",
    "tier",
    "modules",
)
RECORDS: list[dict[str, Any]] = [
    {"name": "Plain", "mrr": 12.5, "tags": ["a"], "updatedAt": "2021-07-28T16:15:50.772Z", "custom": {"Tier": "A"}},
    {"name": None, "mrr": None, "tags": None, "updatedAt": None, "custom": None, "neverHeardOf": {"a": [1]}},
    {"name": 7, "mrr": "12", "tags": "a", "updatedAt": "yesterday", "custom": {"Tier": 5, "Modules": ["x"]}},
    {"name": "Odd", "mrr": 2**60, "nextTouch": 1627488950772, "owner": {"_id": "5f0c", "nickName": "A"}, "custom": []},
    {
        "name": "Leap",
        "mrr": 3,
        "updatedAt": "2020-02-29T00:00:00.000Z",
        "nextTouch": "2021-07-28",
        "custom": {"Modules": 1},
    },
]


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planhat]:
    with Emulator(0) as emulator:
        for number, record in enumerate(RECORDS):
            emulator.store.insert("company", {**record, "externalId": f"e-{number}"})
        mirror: Path = tmp_path_factory.mktemp("columns") / "planhat.db"
        with Planhat(emulator.api_token, api_url=emulator.url, mirror=mirror, scan="allow") as planhat:
            planhat.sync(Company)
            yield planhat


@pytest.mark.parametrize("source", ["api", "mirror"])
def test_values_are_what_records_say(synced: Planhat, source: str) -> None:
    rows = Odd.objects.using(source)
    expected = [{name: read(record, name) for name in NAMES} for record in rows]
    found = list(rows.values(*NAMES))
    assert repr(found) == repr(expected)
    assert [tuple(row.values()) for row in found] == list(rows.values_list(*NAMES))
    assert [row["name"] for row in found] == list(rows.values_list("name", flat=True))


def test_both_sources_give_the_same_rows_and_frames(synced: Planhat) -> None:
    api, mirror = Odd.objects.using("api"), Odd.objects.using("mirror")
    assert list(api.values(*NAMES)) == list(mirror.values(*NAMES))
    assert api.to_arrow().equals(mirror.to_arrow())
    assert api.to_arrow("name", "mrr", "updated_at").equals(mirror.to_arrow("name", "mrr", "updated_at"))


@pytest.mark.parametrize("source", ["api", "mirror"])
def test_polars_pyarrow_and_duckdb_take_rows_as_they_are(synced: Planhat, source: str) -> None:
    rows = Odd.objects.using(source)
    assert polars.DataFrame(rows.only("name", "mrr")).equals(rows.only("name", "mrr").to_polars())
    chosen = rows.values("name", "mrr")
    assert pyarrow.table(chosen).equals(chosen.to_arrow()) and chosen.to_pandas().columns.tolist() == ["name", "mrr"]
    pairs = rows.values_list("mrr", "name")  # noqa: F841  # DuckDB finds it by its name
    counted: Any = duckdb.sql("SELECT count(*) FROM pairs")
    assert counted.fetchall() == [(len(RECORDS),)]
    assert rows.values_list("mrr", flat=True).to_polars().columns == ["mrr"]
    groups = rows.group_by("mrr").annotate(n=Count())
    assert polars.DataFrame(groups).equals(groups.to_polars())


def test_a_row_of_values_is_nobody_elses(synced: Planhat) -> None:
    rows = list(Odd.objects.using("mirror").values("tags", "custom"))
    rows[0]["tags"].append("mine")
    assert Odd.objects.using("mirror").values_list("tags", flat=True)[0] == ["a"]
