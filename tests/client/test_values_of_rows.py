"""What plain endpoints, metrics and activities send of values from elsewhere; and one encoder, with and without a mirror."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, ValidationError

from ..online import Online

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def test_plain_endpoints_send_what_numpy_and_pandas_hold(online: Online) -> None:
    emulator, planhat = online()
    made = planhat.company.create({"name": np.str_("A"), "custom": {"Seats": np.int64(5)}, "csmScore": np.float64(4)})
    planhat.company.update(made["_id"], {"custom": {"When": pd.Timestamp("2026-01-31T09:00")}})
    answer = planhat.company.bulk_upsert([{"externalId": "a", "name": "B", "tags": np.array(["x", "y"])}])
    assert [outcome.status for outcome in answer.outcomes] == ["created"]
    first, second = emulator.store.all("company")
    assert (first["csmScore"], first["custom"]) == (4, {"Seats": 5, "When": "2026-01-31T09:00:00.000Z"})
    assert second["tags"] == ["x", "y"]


@pytest.mark.parametrize(
    "wrong", [float("nan"), pd.NaT, pd.NA, np.inf, b"x", {1}, np.complex128(1), object(), "\ud83d"]
)
def test_a_row_with_a_value_that_has_no_meaning_is_named_and_nothing_is_sent(online: Online, wrong: Any) -> None:
    emulator, planhat = online()
    calls: list[Callable[[], Any]] = [
        lambda: planhat.company.create({"name": "A", "custom": {"Seats": wrong}}),
        lambda: planhat.company.update("65f0c1a2b3d4e5f607001000", {"custom": {"Seats": wrong}}),
        lambda: planhat.company.bulk_upsert([{"name": "A"}, {"name": "B", "custom": {"Seats": wrong}}]),
        lambda: planhat.metrics.bulk_insert_metrics([{"dimensionId": "d", "externalId": "a", "value": wrong}]),
        lambda: planhat.user_activity.create_activity({"email": "a@b.c", "action": "x", "info": {"Seats": wrong}}),
        lambda: planhat.user_activity.segment({"type": "track", "userId": "1", "properties": {"Seats": wrong}}),
    ]
    for call in calls:
        with pytest.raises(ValidationError, match=r"(Seats'\]|value) must be"):
            call()
    with pytest.raises(ValidationError, match=r"Row 1: custom\['Seats'\] must be"):
        calls[2]()
    assert not len(emulator.log)


def test_metrics_take_days_and_moments_of_other_libraries(online: Online) -> None:
    emulator, planhat = online()
    planhat.metrics.bulk_insert_metrics(
        [
            {"dimensionId": "d", "value": np.float64(1.5), "externalId": "a", "date": np.datetime64("2026-01-31")},
            {"dimensionId": "d", "value": np.int64(2), "externalId": "a", "date": date(2026, 1, 31)},
            {"dimensionId": "d", "value": 3, "externalId": "a", "date": datetime(2026, 1, 31)},
        ]
    )
    assert emulator.log.count("POST") == 1


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_number_that_is_none_clears_no_field_in_a_batch(online: Online, tmp_path: Path, mirrored: bool) -> None:
    emulator, planhat = online(mirror=tmp_path / "a.db" if mirrored else None)
    id = emulator.store.insert("company", {"name": "A", "custom": {"Seats": 5}})["_id"]
    company = Company.objects.get(id)
    with pytest.raises(ValidationError, match=r"custom\['Seats'\] must be"), planhat.batch():
        company.custom["Seats"] = float("nan")
        company.save()
    with pytest.raises(ValidationError, match=r"custom\['Seats'\] must be"):
        Company.objects.bulk_upsert([{"id": id, "custom": {"Seats": float("nan")}}])
    assert emulator.store.all("company")[0]["custom"] == {"Seats": 5}
    company.custom["Seats"] = np.int64(7)
    assert repr(company).endswith("changed: custom>")
    company.save()
    assert company.changes() == {}
    assert emulator.store.all("company")[0]["custom"] == {"Seats": 7}
    company.custom["When"] = datetime(2026, 1, 31)
    company.save()
    assert company.changes() == {}


def test_in_bulk_answers_with_the_keys_that_were_asked(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "A", "externalId": "1001"})
    choices: list[list[int | str]] = [[1001], ["1001"], [1001, "1001"]]
    for keys in choices:
        assert list(Company.objects.using(planhat).in_bulk(keys, key="external_id")) == keys
    with pytest.raises(ValidationError, match="external_id in place 1, not None"):
        Company.objects.using(planhat).in_bulk(["a", None], key="external_id")


def test_metrics_take_ids_as_values_list_gives_them_and_refuse_other_lists_by_name(online: Online) -> None:
    _, planhat = online()
    requests: list[Any] = []
    planhat.on("request", requests.append)
    row = {"dimensionId": "d", "value": 1}
    planhat.metrics.bulk_insert_metrics([{**row, "externalId": ("a",)}])
    planhat.user_activity.create_activity({"email": ("a@b.c",), "action": "x", "info": {"tags": ["b"]}})
    sent = [json.loads(request.body) for request in requests]
    assert sent[0][0]["externalId"] == "a"
    assert (sent[1]["email"], sent[1]["info"]) == ("a@b.c", {"tags": ["b"]})
    for wrong in ((), ("a", "b"), {"a": 1}, [["a"]]):
        with pytest.raises(ValidationError, match="Row 1: externalId must be one value"):
            planhat.metrics.bulk_insert_metrics([{**row, "externalId": "a"}, {**row, "externalId": wrong}])


def test_metrics_are_read_by_ids_as_values_list_gives_them_and_by_nothing_else(online: Online) -> None:
    emulator, planhat = online()
    first = emulator.store.insert("company", {"name": "A", "externalId": "a"})["_id"]
    planhat.metrics.bulk_insert_metrics([{"dimensionId": "seats", "externalId": "a", "value": 3}], verify=True)
    days = (date(2000, 1, 1), date(9999, 1, 1))
    for given in (first, (first,), Company.objects.values_list("id")[0]):
        (page,) = planhat.metrics.get_dimension_data(*days, company_id=given, dimension_id=("seats",))  # type: ignore[arg-type]
        assert [row["value"] for row in page] == [3]
    before = len(emulator.log)
    for wrong in ((first, first), 5.5, True, "", b"a"):
        for name in ("company_id", "dimension_id"):
            with pytest.raises(ValidationError, match=name):
                list(planhat.metrics.get_dimension_data(*days, **{name: wrong}))  # type: ignore[arg-type]
    for id in (5.5, True, {"a": 1}):
        with pytest.raises(ValidationError, match="Row 0: externalId must be"):
            planhat.metrics.bulk_insert_metrics([{"dimensionId": "seats", "externalId": id, "value": 3}])
    assert len(emulator.log) == before
