"""Update and delete may be repeated, and a first try that went through is a success."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm import AmbiguousWrite, BadAnswer, NotFound, ServerError, ValidationError
from planhat_orm.http.effects import Response, Unanswered
from planhat_orm.wire import creating, records
from planhat_orm.wire.resources import resource, resources

from .direct import Direct, lost_after, lost_before, status, times

COMPANY = resource("company")


@pytest.fixture
def direct() -> Direct:
    one = Direct()
    one.store.insert("company", {"name": "Acme", "externalId": "a", "sourceId": "s", "phase": "Trial"})
    return one


def acme(direct: Direct) -> dict[str, Any]:
    (record,) = direct.store.all("company")
    return record


@pytest.mark.parametrize("spell", [lost_before, lost_after, status(500), status(429), status(200, b"<html>")])
@pytest.mark.parametrize("key", ["_id", "extid-a", "srcid-s"])
def test_an_update_survives_bad_weather(direct: Direct, spell: Any, key: str) -> None:
    direct.weather = times(2, spell)
    key = acme(direct)["_id"] if key == "_id" else key
    assert direct.run(records.update(COMPANY, key, {"phase": "Live"}))["phase"] == "Live"
    assert acme(direct)["phase"] == "Live"


@pytest.mark.parametrize("spell", [lost_after, status(500), status(200, b"<html>")])
@pytest.mark.parametrize("change", [{"tags": {"$add": ["b"]}}, {"custom": {"Products": {"Append": ["b"]}}}])
def test_an_update_that_adds_to_an_array_is_sent_once(direct: Direct, spell: Any, change: dict[str, Any]) -> None:
    direct.weather = times(1, spell)
    with pytest.raises(AmbiguousWrite):
        direct.run(records.update(COMPANY, "extid-a", change))
    assert direct.count("PUT") == 1
    direct.weather = times(1, spell)
    direct.run(records.update(COMPANY, "extid-a", {"tags": {"$remove": ["b"]}, "custom": {"Add": ["b"]}}))


def empty(status: int) -> Any:
    def spell(request: Any, work: Any) -> Any:
        return Response(status, {}, b" \n" if work().status == 200 else b"?")

    return spell


@pytest.mark.parametrize("code", [200, 204])
@pytest.mark.parametrize("key", ["_id", "extid-a", "srcid-s"])
@pytest.mark.parametrize("change", [{"phase": "Live"}, {"phase": "Live", "tags": {"$add": ["b"]}},
                                    {"phase": "Live", "externalId": "b", "sourceId": "t"}])  # fmt: skip
def test_an_update_that_is_answered_with_nothing_is_read_once(
    direct: Direct, code: int, key: str, change: dict[str, Any]
) -> None:
    direct.weather = times(1, empty(code), method="PUT")
    key = acme(direct)["_id"] if key == "_id" else key
    record = direct.run(records.update(COMPANY, key, change))
    assert record["_id"] == acme(direct)["_id"] and record["phase"] == "Live" and record["name"] == "Acme"
    assert [attempt.method for attempt in direct.tries] == ["PUT", "GET"]


def test_a_record_that_cannot_be_read_by_the_key_it_was_changed_by_is_looked_for(direct: Direct) -> None:
    won = direct.store.insert("opportunity", {"title": "Seats", "sourceId": "o"})
    direct.store.insert("churn", {"sourceId": "c", "companyId": acme(direct)["_id"]})
    direct.weather = empty(200)

    def weather(request: Any, work: Any) -> Any:
        return empty(200)(request, work) if request.method == "PUT" else work()

    direct.weather = weather
    assert direct.run(records.update(resource("opportunity"), won["_id"], {"title": "New"}))["title"] == "New"
    assert direct.run(records.update(resource("churn"), "srcid-c", {"value": 3}))["value"] == 3
    assert direct.count("PUT") == 2


def test_an_update_that_was_done_and_cannot_be_read_is_not_sent_again(direct: Direct) -> None:
    def weather(request: Any, work: Any) -> Any:
        return empty(200)(request, work) if request.method == "PUT" else Response(503, {}, b"no")

    direct.weather = weather
    id = acme(direct)["_id"]
    assert direct.run(records.update(COMPANY, id, {"phase": "Live"})) == {"_id": id}
    with pytest.raises(BadAnswer, match="it was carried out"):
        direct.run(records.update(COMPANY, "extid-a", {"phase": "Lost"}))
    assert direct.count("PUT") == 2 and acme(direct)["phase"] == "Lost"


@pytest.mark.parametrize("body", [b"<html>", b'{"_id": "65f0', b"null", b"[]"])
def test_another_bad_answer_stays_one(direct: Direct, body: bytes) -> None:
    direct.weather = status(200, body)
    with pytest.raises(BadAnswer):
        direct.run(records.update(COMPANY, "extid-a", {"phase": "Live"}))


@pytest.mark.parametrize("code", [200, 201, 204])
def test_a_create_with_a_key_that_is_answered_with_nothing_is_found_by_it(direct: Direct, code: int) -> None:
    direct.weather = times(1, empty(code), method="POST")
    made = direct.run(creating.create(COMPANY, {"name": "New", "externalId": "n"}))
    assert made["name"] == "New" and direct.count("POST") == 1
    assert len(direct.store.all("company")) == 2


def test_an_id_in_the_changes_is_not_sent(direct: Direct) -> None:
    direct.run(records.update(COMPANY, "extid-a", {"_id": "x", "phase": "Live"}))
    assert direct.bodies() == [{"phase": "Live"}]


@pytest.mark.parametrize(("key", "wire"), [("extid-a", "externalId"), ("srcid-s", "sourceId")])
def test_an_update_that_gave_the_record_another_key_is_a_success(direct: Direct, key: str, wire: str) -> None:
    direct.weather = times(1, lost_after)
    assert direct.run(records.update(COMPANY, key, {wire: "new"}))[wire] == "new"


def test_an_update_of_nothing_there_is_not_found(direct: Direct) -> None:
    for weather in (times(0, lost_before), times(1, lost_before)):
        direct.weather = weather
        with pytest.raises(NotFound):
            direct.run(records.update(COMPANY, "extid-none", {"externalId": "b"}))


@pytest.mark.parametrize("spell", [lost_before, lost_after, status(500), status(429), status(200, b"<html>")])
def test_a_delete_survives_bad_weather(direct: Direct, spell: Any) -> None:
    direct.weather = times(1, spell)
    direct.run(records.delete(COMPANY, acme(direct)["_id"]))
    assert direct.store.all("company") == []


def test_a_page_in_the_place_of_an_answer_is_no_deletion(direct: Direct) -> None:
    direct.weather = status(200, b"<!doctype html>")
    with pytest.raises(Exception, match="HTML"):
        direct.run(records.delete(COMPANY, acme(direct)["_id"]))


def test_a_delete_of_nothing_there_is_not_found_unless_we_may_have_done_it(direct: Direct) -> None:
    missing = "65f0c1a2b3d4e5f6070010ff"

    def refused(request: Any, work: Any) -> Any:
        raise Unanswered("nothing listens", sent=False, kind="refused")

    for spell in (refused, status(429)):
        direct.weather = times(1, spell)
        with pytest.raises(NotFound):
            direct.run(records.delete(COMPANY, missing))
    direct.weather = times(1, lost_after)
    assert direct.run(records.delete(COMPANY, missing)) == {}


@pytest.mark.parametrize("delete_answer", ["documented", "counts", "document", "nothing"])
def test_every_kind_of_delete_answer_is_taken(delete_answer: str) -> None:
    direct = Direct(delete_answer=delete_answer)
    for name in ("company", "conversation", "task"):
        company = direct.store.insert("company", {"name": "Acme"})["_id"]
        fields = {} if name == "company" else {"companyId": company, "type": "note"}
        record = company if name == "company" else direct.store.insert(name, fields)["_id"]
        answer = direct.run(records.delete(resource(name), record))
        assert isinstance(answer, dict)
        assert direct.store.get(name, record) is None


def test_only_an_id_can_be_deleted() -> None:
    for name, item in resources().items():
        for key in ("extid-1", "srcid-1"):
            with pytest.raises(ValidationError, match="by its _id only"):
                Direct().run(records.delete(resource(name), key))
        if "delete" in item.operations:
            with pytest.raises(ValidationError, match="is empty"):
                Direct().run(records.delete(item, " "))


def test_tries_that_are_used_up_raise_the_last_error(direct: Direct) -> None:
    direct.weather = status(500, b"m@rker")
    with pytest.raises(ServerError) as raised:
        direct.run(records.update(COMPANY, "extid-a", {"phase": "Live"}))
    assert raised.value.attempts == 5
    assert raised.value.detail == "m@rker"
    assert raised.value.reason == "m@rker" and "m@rker" not in repr(raised.value)
