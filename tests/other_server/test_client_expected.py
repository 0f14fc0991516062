"""What the client must do where a server is not the emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planhat_orm import BadAnswer, Company, Planhat, PlanhatError, Project, Ticket
from tests.other_server import OtherServer, faults, on
from tests.other_server.conftest import Connect, Start


@pytest.mark.parametrize("answer", ["partial", "id"])
def test_an_answer_with_part_of_the_record_keeps_the_rest(connect: Connect, answer: str) -> None:
    server, planhat = connect(put_answer=answer)
    with planhat:
        company = Company.objects.create(name="A")
        for label, value in (("Tier", "A"), ("Seats", 5)):
            company.custom[label] = value
            company.save()
        assert dict(company.custom) == server.records("company")[0]["custom"] == {"Tier": "A", "Seats": 5}
        assert company.name == "A"
        company.custom["Seats"] = None
        company.save()
        assert dict(company.custom).get("Seats") is None and company.custom["Tier"] == "A"


def test_a_whole_answer_shows_what_somebody_else_cleared(connect: Connect) -> None:
    server, planhat = connect()
    with planhat:
        company = Company.objects.create(name="A", custom={"Tier": "A", "Seats": 5})
        server.write("company", {"_id": company.id, "custom": {"Seats": None}})
        company.custom["Tier"] = "B"
        company.save()
        assert dict(company.custom) == {"Tier": "B"}


@pytest.mark.parametrize("shape", ["string", "message", "index1", "code", "foreign"])
@pytest.mark.parametrize("known", ["new", "equal"])
def test_a_quoted_value_says_nothing_about_the_row_of_that_key(connect: Connect, shape: str, known: str) -> None:
    server, planhat = connect(error_shapes=(shape,))
    acme = server.write("company", {"name": "A"})["_id"]
    if known == "equal":
        server.write("project", {"externalId": "1234", "name": "P", "companyId": acme})
    rows = [
        {"external_id": "1234", "name": "P", "company_id": acme},
        {"external_id": "z", "name": "bad", "company_id": "1234"},
    ]
    with planhat:
        result = Project.objects.bulk_upsert(rows, raise_on_error=False)
    assert [row.status for row in result] == ["created" if known == "new" else "unchanged", "failed"]
    assert [record["externalId"] for record in server.records("project")] == ["1234"]


def test_a_row_of_a_record_that_is_gone_fails_and_names_the_fragment(connect: Connect) -> None:
    server, planhat = connect(unknown_id="insert")
    gone = server.write("company", {"name": "A"})["_id"]
    server.delete("company", gone)
    with planhat:
        (row,) = Company.objects.bulk_upsert([{"id": gone, "name": "A"}], raise_on_error=False)
    assert row.status == "failed" and server.records("company")[0]["_id"] in str(row.error)


@pytest.mark.parametrize("names", ["ids", "none", "inserts"])
def test_rows_that_an_answer_does_not_name_are_not_told_unchanged(connect: Connect, names: str) -> None:
    _, planhat = connect(names=names)
    with planhat:
        Company.objects.bulk_upsert([{"external_id": "a", "name": "A"}])
        result = Company.objects.bulk_upsert([{"external_id": "a", "name": "B"}, {"external_id": "b", "name": "B"}])
    assert [row.status for row in result] in (["updated", "created"], ["updated", "updated"])


def test_half_an_emoji_does_not_fail_the_list(connect: Connect) -> None:
    server, planhat = connect(cut_texts=4)
    server.write("company", {"name": "abc\U0001f600"})
    server.write("company", {"name": "b"})
    with planhat:
        assert sorted(company.name for company in Company.objects.all())[1] == "b"


def test_a_record_with_half_an_emoji_is_named_in_the_report_of_a_sync(start: Start, tmp_path: Path) -> None:
    server = start(cut_texts=4)
    ids = [server.write("company", {"name": "abc\U0001f600"})["_id"]]
    server.write("company", {"name": "\ufffd"})
    with Planhat(**server.settings(), mirror=tmp_path / "m.db") as planhat:
        for _ in range(2):
            (note,) = planhat.sync(Company)["company"].notes
            assert note.endswith(" came with half of a character, where U+FFFD stands now")
            assert {*note.partition(" came")[0].split(", ")} == {*ids}
            ids.append(server.write("company", {"name": "xyz\U0001f600"})["_id"])
        assert Company.objects.using("mirror").get(ids[0]).name == "abc\ufffd"


def test_keys_that_nobody_documented_arrive(connect: Connect) -> None:
    server, planhat = connect()
    record = server.write("company", {"name": "A", "weird": 1})
    with planhat:
        Company.objects.get(record["_id"])
        assert [company.to_wire().get("weird") for company in Company.objects.all()] == [1]


def test_a_ticket_is_changed(connect: Connect) -> None:
    server, planhat = connect()
    _ticket(server)
    with planhat:
        (ticket,) = Ticket.objects.all()
        ticket.status = "closed"
        ticket.save()
    assert server.records("ticket")[0]["status"] == "closed"


def test_a_ticket_is_found_by_its_source_id(connect: Connect) -> None:
    server, planhat = connect()
    _ticket(server)
    with planhat:
        assert Ticket.objects.get(source_id="T-1").subject == "S"


def _ticket(server: OtherServer) -> None:
    server.write("company", {"name": "A", "domains": ["a.example"]})
    server.write("ticket", {"sourceId": "T-1", "email": "x@a.example", "title": "S", "status": "open"})


@pytest.mark.parametrize("rule", ["refuse", "store"])
def test_a_contact_that_is_made_through_a_company_belongs_to_it(connect: Connect, rule: str) -> None:
    server, planhat = connect(enduser_without_company=rule)
    with planhat:
        acme = Company.objects.create(name="A", external_id="a")
        assert acme.endusers.create(email="x@nowhere.example").company_id == acme.id
    assert server.records("enduser")[0]["companyId"] == acme.id


@pytest.mark.parametrize("past", ["empty", "repeat"])
def test_a_list_that_ends_before_its_newest_record_is_a_bad_answer(connect: Connect, past: str) -> None:
    server, planhat = connect(list_end=20, past_end=past)
    server.fill("company", 50, lambda number: {"name": str(number)})
    with planhat, pytest.raises(BadAnswer):
        list(Company.objects.all())
    assert len(server.log) < 70


@pytest.mark.parametrize(
    "header",
    [
        {"X-RateLimit-Remaining": "1e20"},
        {"Date": "Thu, 01 Jan 99999999999 00:00:00 GMT"},
        {"X-RateLimit-Reset": "99999999999"},
    ],
    ids=str,
)
def test_an_odd_header_is_no_failure(connect: Connect, header: dict[str, str]) -> None:
    server, planhat = connect()
    server.fault(faults.headers(header), on("POST"))
    with planhat:
        assert Company.objects.create(name="A").id == server.records("company")[0]["_id"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(faults.deep_json(5_000), PlanhatError, id="deep JSON"),
        pytest.param(faults.status(304), BadAnswer, id="304"),
        pytest.param(
            faults.status(302, "", {"Location": "https://api-eu.example/companies"}), PlanhatError, id="redirect"
        ),
    ],
)
def test_an_answer_that_is_none_raises_an_error_of_ours(
    connect: Connect, fault: Any, expected: type[Exception]
) -> None:
    server, planhat = connect()
    server.write("company", {"name": "A"})
    server.fault(fault, times=None)
    with planhat, pytest.raises(expected):
        list(Company.objects.all())


OFF = [
    {"date_offset": 300},
    {"id_offset": -300},
    {"date_offset": -300},
    {"id_offset": 300},
    {"stamp_offset": 300},
    {"date_header": False},
]


@pytest.mark.parametrize("clocks", OFF, ids=str)
def test_a_create_whose_answer_was_lost_is_found_whatever_the_clocks_say(
    connect: Connect, clocks: dict[str, Any]
) -> None:
    server, planhat = connect(page_rows=20, **clocks)
    server.fill("company", 3, lambda number: {"name": "older"})
    server.fault(faults.close_after(), on("POST"))
    with planhat:
        assert list(Company.objects.all()[:1])
        company = Company.objects.create(name="A")
    assert [record["_id"] for record in server.records("company") if record["name"] == "A"] == [company.id]
