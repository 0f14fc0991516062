"""A tenant that spells fields in another way (docs/reference/planhat-api.md section 14) answers the same queries, from the API and the mirror."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import NPS, Avg, BulkError, Deal, F, Model, NotLoaded, Planhat
from planhat_orm.emulator import Emulator, Switches
from planhat_orm.http.effects import Request
from planhat_orm.http.retry import Retry
from planhat_orm.writes import server_state

Tenant = tuple[Emulator, Planhat]
Connect = Callable[[dict[str, Any]], Tenant]

OTHER = [(NPS, {"nps_keys": "nps"}), (Deal, {"deal_period": "fromDate"})]
NAMES: dict[Any, tuple[str, ...]] = {
    NPS: ("score", "comment", "date_answered", "email", "date_sent"),
    Deal: ("start_date", "end_date", "name", "mrr"),
}


@pytest.fixture(params=["sqlite", "postgres"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Start an emulated tenant, always the same but for its switches, and a client with a mirror of its own."""
    with ExitStack() as stack:

        def begin(switches: dict[str, Any]) -> Tenant:
            emulator = stack.enter_context(
                Emulator(4, licenses=0, endusers=12, conversations=0, tasks=0, seed=5, switches=Switches(**switches))
            )
            name = "_".join(map(str, switches.values()))
            where = tmp_path / f"{name}.db" if request.param == "sqlite" else request.getfixturevalue("postgres")()
            planhat = Planhat(
                emulator.api_token, api_url=emulator.url, calls_per_min=1e9, scan="allow", mirror=where,
                retry=Retry(attempts=2, floor=0.001, ceiling=0.002),
            )  # fmt: skip
            stack.callback(planhat.close)
            planhat.sync(NPS, Deal)
            return emulator, planhat

        yield begin


def answers(planhat: Planhat, model: type[Model], source: str) -> dict[str, Any]:
    """What a source says to every way of asking for the fields that have two names."""
    every = model.objects.using(planhat).using(source)
    first, second = NAMES[model][:2]
    found: dict[str, Any] = {
        "values": list(every.values("id", *NAMES[model])),
        "objects": [tuple(getattr(item, name) for name in NAMES[model]) for item in every],
        "only": [getattr(record, first) for record in every.only(first)],
        "order": [record.id for record in every.order_by(f"-{first}", second)],
        "missing": every.filter(**{f"{second}__isnull": True}).count(),
        "there": every.filter(**{f"{first}__isnull": False}).count(),
        "frame": every.only(*NAMES[model]).to_arrow().to_pylist(),
    }
    if model is NPS:
        found["high"] = [record.id for record in every.filter(score__gte=9)]
        found["average"] = every.aggregate(mean=Avg("score"))
        found["texts"] = [record.id for record in every.filter(comment__icontains="e").only("email")]
    else:
        found["pair"] = [record.id for record in every.filter(start_date__lt=F("end_date"))]
        found["late"] = [record.id for record in every.exclude(start_date__lt="2026-01-01")]
    return found


@pytest.mark.parametrize(("model", "switches"), OTHER)
def test_every_question_has_the_same_answer_whichever_way_a_tenant_spells(
    connect: Connect, model: type[Model], switches: dict[str, Any]
) -> None:
    _, documented = connect({})
    emulator, other = connect(switches)
    expected = answers(documented, model, "api")
    assert expected["there"] and any(expected["only"])
    assert expected["high"] if model is NPS else expected["pair"]
    for planhat in (documented, other):
        for source in ("api", "mirror"):
            assert answers(planhat, model, source) == expected, (planhat, source)
    one = model.objects.using(other).first()
    assert one is not None and one.id is not None
    again = model.objects.using(other).get(one.id)
    first = NAMES[model][0]
    assert getattr(again, first) == getattr(one, first) == getattr(again.refresh(using=other), first) is not None

    emulator.log.clear()
    report = other.sync(model, full=True)
    assert sum(entry.changed + entry.new for entry in report) == 0
    assert other.mirror.history(one) == other.mirror.changes() == []


def test_nothing_that_a_tenant_sends_is_lost(connect: Connect) -> None:
    _, planhat = connect({"nps_keys": "nps", "deal_period": "fromDate"})
    for model in (NPS, Deal):
        endpoint = planhat.nps if model is NPS else planhat.deal
        sent = {row["_id"]: row for page in endpoint.get_list() for row in page}
        other = {"nps", "npsComment", "npsDate"} if model is NPS else {"fromDate", "toDate"}
        assert all(other <= row.keys() for row in sent.values())
        spelt, documented = ("nps", "score") if model is NPS else ("fromDate", "startDate")
        assert all(row[documented] == row[spelt] for row in sent.values()), "both, so that a script finds either"
        for source in ("api", "mirror"):
            for record in model.objects.using(planhat).using(source):
                wire = record.to_wire()
                assert {key: wire[key] for key in sent[str(record.id)]} == sent[str(record.id)]


@pytest.mark.parametrize("mirrored", [True, False])
def test_one_edit_saves_one_key_by_its_documented_name(connect: Connect, mirrored: bool) -> None:
    emulator, planhat = connect({"nps_keys": "nps"})
    if not mirrored:
        planhat = Planhat(emulator.api_token, api_url=emulator.url, calls_per_min=1e9, scan="allow")
    sent: list[Request] = []
    planhat.on("request", sent.append)
    one = NPS.objects.using(planhat).filter(score__lte=8).first()
    assert one is not None
    one.score = 10
    sent.clear()
    assert one.save(using=planhat).fields == ("score",)
    [put] = sent
    assert put.method == "PUT" and put.body is not None and json.loads(put.body) == {"score": 10}
    assert one.changes() == {} and (one.score, one.nps) == (10, 10)
    stored = emulator.store.get("nps", str(one.id))
    assert stored is not None and stored["score"] == 10

    one.score = 9
    with planhat.batch():
        one.save(using=planhat)
    one.comment = "  Good  "
    one.save(using=planhat, on_conflict="raise")
    assert NPS.objects.using(planhat).get(str(one.id)).score == 9
    if mirrored:
        assert NPS.objects.using(planhat).using("mirror").get(str(one.id)).score == 9
        planhat.sync(NPS)
        assert NPS.objects.using(planhat).using("mirror").get(str(one.id)).score == 9
        planhat.nps.update(str(one.id), {"score": 3})
        assert NPS.objects.using(planhat).using("mirror").get(str(one.id)).score == 3
    planhat.close()


def test_a_conflict_is_seen_through_the_other_spelling(connect: Connect) -> None:
    emulator, planhat = connect({"nps_keys": "nps"})
    with planhat.offline():
        one = NPS.objects.filter(score__lte=8).first()
        assert one is not None
        before, one.score = one.score, 10
        one.save()
    emulator.store.update("nps", str(one.id), {"score": before - 1 if before else 1})
    [row] = planhat.push().failed
    [conflict] = row.conflicts
    assert (conflict.name, conflict.base, conflict.mine) == ("score", before, 10)
    assert conflict.theirs == (before - 1 if before else 1)


def test_a_lost_answer_makes_no_second_record(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator, planhat = connect({"nps_keys": "nps"})
    count = len(emulator.store.all("nps"))
    emulator.faults.add("reset_after", method="POST", path="/nps")
    made = NPS(email="new@acme.example", score=7).save(using=planhat)
    assert made.created
    emulator.faults.add("reset_after", method="PUT", path="/nps")
    rows = [NPS(email=f"{number}@acme.example", score=number) for number in range(3)]
    with pytest.raises(BulkError):
        planhat.save_all(rows)
    monkeypatch.setattr(server_state, "QUIET", 0.0)
    assert planhat.push().ok
    assert len(emulator.store.all("nps")) == count + 4


def test_a_field_that_was_not_asked_for_is_not_there(connect: Connect) -> None:
    _, planhat = connect({"nps_keys": "nps"})
    for source in ("api", "mirror"):
        one = NPS.objects.using(planhat).using(source).only("email").first()
        with pytest.raises(NotLoaded):
            one.score  # type: ignore[union-attr]  # noqa: B018 - reading it is what raises
