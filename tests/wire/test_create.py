"""Create: a taken key changes nothing, a lost answer is resolved by looking, and nothing is made twice."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm import AlreadyExists, AmbiguousWrite, BadAnswer, ConnectionFailed, RateLimited, ServerError
from planhat_orm.errors import InvalidRequest, PlanhatError
from planhat_orm.http.effects import Unanswered
from planhat_orm.wire.creating import create
from planhat_orm.wire.resources import resource, resources

from .direct import Direct, done_but, lost_after, lost_before, status, times

COMPANY = resource("company")
KEYED = {"name": "Acme", "externalId": "a", "sourceId": "s"}
KEYLESS = {"name": "Acme", "phase": "Trial"}


@pytest.fixture
def direct() -> Direct:
    return Direct()


@pytest.mark.parametrize("taken", [{"externalId": "a"}, {"sourceId": "s"}])
def test_a_taken_key_raises_and_nothing_is_changed(direct: Direct, taken: dict[str, Any]) -> None:
    id = direct.store.insert("company", {"name": "First", **taken})["_id"]
    with pytest.raises(AlreadyExists) as raised:
        direct.run(create(COMPANY, KEYED))
    assert raised.value.id == id
    assert [record["name"] for record in direct.store.all("company")] == ["First"]
    assert direct.count("POST") == 0


@pytest.mark.parametrize(
    "name",
    [name for name, resource in resources().items() if "create" in resource.operations and len(resource.id_forms) > 1],
)
def test_every_resource_looks_for_each_key_it_can_look_for(name: str) -> None:
    direct = Direct(enforce_required="none", enduser_no_domain_match="store", nps_keys="score")
    one = resource(name)
    company = direct.store.insert("company", {"name": "Owner", "domains": ["x.example"]})["_id"]
    for form in one.id_forms[1:]:
        wire = str(one.external_key) if form == "extid-" else "sourceId"
        row = {wire: "taken", **one.implied}
        row |= {"companyIds": [company]} if "companyIds" in one.fields else {"companyId": company}  # type: ignore[dict-item]
        row |= {"cId": company} if "cId" in one.fields else {}
        row.pop("companyId", None) if "companyId" not in one.fields else None
        direct.run(create(one, row))
        with pytest.raises(AlreadyExists):
            direct.run(create(one, row))


def test_an_email_is_a_key_too(direct: Direct) -> None:
    company = direct.store.insert("company", {"name": "Acme"})["_id"]
    row = {"email": "ada@acme.example", "companyId": company}
    first = direct.run(create(resource("enduser"), row))
    direct.store.update("enduser", first["_id"], {"archived": True})
    with pytest.raises(AlreadyExists):
        direct.run(create(resource("enduser"), row))


def test_keys_are_looked_for_as_they_are(direct: Direct) -> None:
    direct.store.insert("company", {"name": "First", "externalId": "A/b?c"})
    direct.run(create(COMPANY, {"name": "Second", "externalId": "a/b?c"}))
    assert len(direct.store.all("company")) == 2


@pytest.mark.parametrize("row", [KEYED, KEYLESS], ids=["keyed", "keyless"])
@pytest.mark.parametrize("spell", [lost_after, done_but(500), done_but(200, b"<"), done_but(200, b'{"_id": "5')])
def test_a_create_that_went_through_is_a_success_whatever_came_back(direct: Direct, row: Any, spell: Any) -> None:
    for number in range(30):
        direct.store.insert("company", {"name": f"Company {number}"})
    direct.weather = times(1, spell, method="POST")
    record = direct.run(create(COMPANY, row))
    assert direct.store.get("company", record["_id"])["name"] == "Acme"  # type: ignore[index]
    assert (direct.count("POST"), len(direct.store.all("company"))) == (1, 31)


@pytest.mark.parametrize(
    ("spell", "error"),
    [
        (lost_before, ConnectionFailed),
        (status(500), ServerError),
        (status(502), ServerError),
        (status(200, b"<"), BadAnswer),
    ],
)
def test_a_keyed_create_that_left_nothing_behind_raises_and_may_be_repeated(
    direct: Direct, spell: Any, error: type[PlanhatError]
) -> None:
    direct.weather = times(1, spell, method="POST")
    with pytest.raises(error, match="Creating it again is safe"):
        direct.run(create(COMPANY, KEYED))
    assert (direct.count("POST"), direct.store.all("company")) == (1, [])
    assert direct.run(create(COMPANY, KEYED))["name"] == "Acme"


def timed_out(request: Any, work: Any) -> Any:
    raise Unanswered("nothing came", sent=True, kind="timeout")


@pytest.mark.parametrize("spell", [timed_out, status(504)])
def test_a_server_that_may_still_be_at_work_leaves_a_keyed_create_ambiguous(direct: Direct, spell: Any) -> None:
    """It may store the record after it was looked for, so creating it again would not be safe."""
    direct.weather = times(1, spell, method="POST")
    with pytest.raises(AmbiguousWrite, match="may still be at work"):
        direct.run(create(COMPANY, KEYED))
    direct.store.insert("company", KEYED)  # a moment later
    with pytest.raises(AlreadyExists):
        direct.run(create(COMPANY, KEYED))
    assert direct.count("POST") == 1


@pytest.mark.parametrize("spell", [lost_before, status(500), status(200, b"<html>")])
def test_a_keyless_create_that_left_nothing_behind_is_ambiguous(direct: Direct, spell: Any) -> None:
    direct.weather = times(1, spell, method="POST")
    with pytest.raises(AmbiguousWrite, match="no new record looks like it") as raised:
        direct.run(create(COMPANY, KEYLESS))
    assert raised.value.candidates == []
    assert raised.value.request.path == "/companies"  # type: ignore[union-attr]
    assert (direct.count("POST"), direct.store.all("company")) == (1, [])


def test_a_create_that_never_left_or_met_429_is_sent_again(direct: Direct) -> None:
    def refused(request: Any, work: Any) -> Any:
        raise Unanswered("nothing listens", sent=False, kind="refused")

    for spell in (refused, status(429)):
        direct.weather = times(2, spell, method="POST")
        direct.run(create(COMPANY, KEYLESS))
    assert len(direct.store.all("company")) == 2
    assert direct.count("POST") == 6


def test_what_was_refused_is_not_looked_for(direct: Direct) -> None:
    with pytest.raises(InvalidRequest):
        direct.run(create(COMPANY, {"phase": "x"}))
    assert [attempt.method for attempt in direct.tries] == ["POST"]
    direct.weather = status(429)
    with pytest.raises(RateLimited):
        direct.run(create(COMPANY, KEYLESS))


def test_a_server_that_is_slow_to_store_is_looked_at_more_than_once(direct: Direct) -> None:
    def late(request: Any, work: Any) -> Any:
        direct.weather = times(1, lambda r, w: (direct.store.insert("company", KEYED), w())[1], method="GET", after=1)
        raise Unanswered("nothing came", sent=True, kind="timeout")

    direct.weather = times(1, late, method="POST")
    direct.store.insert("company", {"name": "Other"})
    assert direct.run(create(COMPANY, KEYED))["externalId"] == "a"


@pytest.mark.parametrize("slow", ["POST", "GET"])
def test_a_lost_record_is_found_however_long_looking_for_it_takes(direct: Direct, slow: str) -> None:
    def weather(request: Any, work: Any) -> Any:
        direct.clock.pass_by(30 if request.method == slow else 0)
        return lost_after(request, work) if request.method == "POST" else work()

    direct.weather = weather
    assert direct.run(create(COMPANY, KEYLESS))["name"] == "Acme"


@pytest.mark.parametrize("row", [KEYED, KEYLESS], ids=["keyed", "keyless"])
def test_where_looking_fails_too_the_write_is_ambiguous(direct: Direct, row: Any) -> None:
    def gone(request: Any, work: Any) -> Any:
        direct.weather = status(503)
        work()
        raise Unanswered("the connection broke", sent=True)

    direct.weather = times(1, gone, method="POST")
    with pytest.raises(AmbiguousWrite, match="could not be looked"):
        direct.run(create(COMPANY, row))


def test_the_same_record_of_last_week_is_not_taken_for_the_lost_one(direct: Direct) -> None:
    direct.store.insert("company", KEYLESS)
    direct.clock.pass_by(60)
    direct.weather = times(1, lost_before, method="POST")
    with pytest.raises(AmbiguousWrite):
        direct.run(create(COMPANY, KEYLESS))


def test_the_same_record_made_by_us_a_moment_ago_is_not_taken_for_the_lost_one(direct: Direct) -> None:
    """A loop that makes equal time entries: the second is lost, and the first is not its answer."""
    first = direct.run(create(COMPANY, KEYLESS))
    direct.weather = times(1, lost_before, method="POST")
    with pytest.raises(AmbiguousWrite):
        direct.run(create(COMPANY, KEYLESS))
    direct.weather = times(1, lost_after, method="POST")
    assert direct.run(create(COMPANY, KEYLESS))["_id"] != first["_id"]
    assert len(direct.store.all("company")) == 2


def test_more_than_one_that_looks_like_it_is_ambiguous_and_shown(direct: Direct) -> None:
    def somebody_too(request: Any, work: Any) -> Any:
        direct.store.insert("company", KEYLESS)
        return lost_after(request, work)

    direct.weather = times(1, somebody_too, method="POST")
    with pytest.raises(AmbiguousWrite, match="2 new records look like it") as raised:
        direct.run(create(COMPANY, KEYLESS))
    assert len(raised.value.candidates) == 2
    assert "Acme" not in str(raised.value)
