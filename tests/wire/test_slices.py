"""Slices of a page: as strict as reading it, and read no further than somebody looks."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm.errors import BadAnswer, RequestError
from planhat_orm.http.clock import Clock
from planhat_orm.http.effects import Request, Response
from planhat_orm.http.quota import Quota
from planhat_orm.http.retry import Retry, deliver
from planhat_orm.wire.raw_records import RawRecord, slices_of
from planhat_orm.wire.resources import resource

SLICED = Request("GET", "/companies", shape=list, raw_items=True)


def answered(body: bytes, request: Request = SLICED) -> Response | RequestError:
    """What comes of one try that is answered so."""
    flow = deliver(request, Retry(attempts=1), Quota(), Clock())
    flow.send(None)
    try:
        flow.send(Response(200, {}, body))
    except StopIteration as stop:
        response: Response = stop.value
        return response
    except RequestError as error:
        return error
    raise AssertionError("not at its end")


def slices(body: bytes) -> list[RawRecord]:
    response = answered(body)
    assert isinstance(response, Response)
    return slices_of(response, resource("company"))


def test_a_slice_is_the_json_as_it_came_and_shows_what_a_sync_looks_at() -> None:
    first, second = slices(b'[{"_id":"a", "name":"\xc3\x85", "updatedAt":"2026"},\n{"name":1,"_id":7}]')
    assert bytes(first.json) == b'{"_id":"a", "name":"\xc3\x85", "updatedAt":"2026"}'
    assert (first["_id"], first.get("updatedAt"), first.get("lastUpdated")) == ("a", "2026", None)
    assert first.read() == {"_id": "a", "name": "\u00c5", "updatedAt": "2026"}
    assert second["_id"] == 7


@pytest.mark.parametrize("look", [RawRecord.get, RawRecord.__getitem__])
def test_a_field_that_was_not_looked_at_is_an_error_and_not_none(look: Any) -> None:
    (one,) = slices(b'[{"_id":"a","name":"Acme"}]')
    with pytest.raises(KeyError):
        look(one, "name")


@pytest.mark.parametrize(
    "body",
    [
        b'[{"_id":"a"},{"_id":"b"',
        b'[{"_id":"a"}]]',
        b'[{"_id":"a","name":"\xff"}]',
        b'[{"_id":"a","name":"\xc3"},{"_id":"b"}]',
        b'[{"_id":"a","mrr":01}]',
        b'[{"_id":"a","custom":{"x":[1,}}]',
        b'{"message":"ok"}',
        b'"ok"',
        b"<html></html>",
        b"",
    ],
)
def test_what_reading_refuses_slicing_refuses_in_the_same_words(body: bytes) -> None:
    sliced, read = answered(body), answered(body, Request("GET", "/companies", shape=list))
    assert isinstance(sliced, BadAnswer) and isinstance(read, BadAnswer)
    assert str(sliced) == str(read)


def test_half_of_a_surrogate_pair_costs_one_letter_and_not_the_list() -> None:
    body = b'\xef\xbb\xbf[{"_id":"a","name":"cut \\ud83d"},{"_id":"b","name":"\\ud83d\\ude00 \\\\ud83d"}]'
    records = slices(body)
    assert [record.read()["name"] for record in records] == ["cut \ufffd", "\U0001f600 \\ud83d"]
    read = answered(body, Request("GET", "/companies", shape=list))
    assert isinstance(read, Response)
    assert read.data == [record.read() for record in records]


def test_a_number_that_is_too_large_is_a_bad_answer_when_the_record_is_read() -> None:
    (record,) = slices(b'[{"_id":"a","mrr":1e400}]')
    with pytest.raises(BadAnswer, match="cannot be read"):
        record.read()


def test_an_element_that_is_no_object_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer, match="something else than records: Expected `object`, got `int`"):
        slices(b'[{"_id":"a"},7]')


def test_a_number_out_of_range_where_an_id_should_be_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer):
        slices(b'[{"_id":1e400}]')


def test_an_empty_page_has_no_slices() -> None:
    assert slices(b"[]") == []
