from __future__ import annotations

from html.parser import HTMLParser

import httpx
import pytest

from planhat_orm.emulator import Emulator
from planhat_orm.emulator.faults import KINDS

from .conftest import Serve

Acme = tuple[Emulator, httpx.Client, str]


class Balance(HTMLParser):
    """Fails when a tag is closed that was not opened; keeps the scripts and outside assets it met."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.foreign: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.foreign += [
            value or "" for name, value in attrs if name in ("src", "href", "action") and "//" in (value or "")
        ]
        self.foreign += [tag] * (tag == "script")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(emulator: Emulator, **query: str) -> str:
    answer = httpx.get(f"{emulator.url}/__emulator__/", params=query)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    assert Balance(answer.text).foreign == []
    return answer.text


def test_records_are_shown_by_resource_and_paged(serve: Serve) -> None:
    emulator, _ = serve(60)
    companies = emulator.store.all("company")
    first, second = page(emulator, show="company"), page(emulator, show="company", page="2")
    assert companies[0]["name"] in first and companies[59]["name"] not in first
    assert companies[59]["name"] in second and "page 2 of 2" in second
    record = page(emulator, show="company", id=companies[0]["_id"])
    assert "shareable" in record and companies[0]["externalId"] in record
    assert "no company" in page(emulator, show="company", id="none")
    for name in emulator.store.counts():
        page(emulator, show=name)


def test_a_browser_that_looks_makes_no_calls_of_the_api(serve: Serve) -> None:
    emulator, client = serve(calls_per_min=1)
    assert client.get("/__emulator__/").status_code == 200
    assert client.get("/favicon.ico").status_code == 204
    assert emulator.calls == 0
    assert client.get("/users").status_code == 200


def test_calls_are_shown_and_cleared(acme: Acme) -> None:
    emulator, client, _ = acme
    client.get("/companies?sort=-name")
    client.get("/companies/none")
    text = page(emulator)
    assert "GET /companies/none" in text and "sort=-name" in text and "404" in text
    httpx.post(f"{emulator.url}/__emulator__/log/clear")
    assert emulator.calls == 0 and "GET /companies/none" not in page(emulator)


def test_text_of_records_and_calls_is_escaped(acme: Acme) -> None:
    emulator, client, id = acme
    evil = "<script>alert(1)</script>\"'&"
    emulator.store.update("company", id, {"name": evil, "custom": {evil: evil}})
    client.get("/companies", params={"x": evil})
    client.get("/<script>alert(2)</script>")
    for query in (
        {},
        {"show": "company"},
        {"show": "company", "id": id},
        {"show": "company", "id": evil},
        {"show": evil},
    ):
        assert "<script" not in page(emulator, **query)


def test_faults_are_set_and_cleared_with_the_form(acme: Acme) -> None:
    emulator, client, _ = acme
    form = f"{emulator.url}/__emulator__/faults/form"
    fields = {"kind": "status", "status": "503", "path": "/companies", "times": "all", "method": "", "after": ""}
    assert httpx.post(form, data=fields, follow_redirects=True).status_code == 200
    assert client.get("/companies").status_code == client.get("/companies").status_code == 503
    assert "503" in page(emulator, show="faults")
    assert httpx.post(form, data={"kind": "status", "status": "x"}).status_code == 400
    httpx.post(form, data={"do": "clear"})
    assert client.get("/companies").status_code == 200


def test_state_log_and_records_are_json_for_another_process(acme: Acme) -> None:
    emulator, client, id = acme
    client.get("/companies", params={"limit": "5"})
    url = f"{emulator.url}/__emulator__"
    state = httpx.get(f"{url}/state").json()
    assert state["records"]["company"] == 1 and state["calls"] == 1 and state["now"].startswith("2026-06-01")
    call = httpx.get(f"{url}/log").json()[0]
    assert call | {"at": 0, "bytes": 0} == {
        "method": "GET", "path": "/companies", "query": {"limit": "5"}, "status": 200, "at": 0, "rows": 1, "bytes": 0,
        "fault": None,
    }  # fmt: skip
    assert httpx.get(f"{url}/records/company").json()[0]["_id"] == id
    assert httpx.get(f"{url}/records/planet").status_code == 404
    assert httpx.delete(f"{url}/log").json() == [] and emulator.calls == 0


@pytest.mark.parametrize("path", ["/__emulator__", "/__emulator__/"])
def test_the_page_is_found_without_its_slash(empty: tuple[Emulator, httpx.Client], path: str) -> None:
    emulator, _ = empty
    assert httpx.get(emulator.url + path, follow_redirects=True).status_code == 200


OTHER_SITES = (
    {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
)  # fmt: skip


def test_other_sites_get_no_record_of_the_api_and_send_it_no_write(acme: Acme) -> None:
    """A page may know the token, which is the same in every test."""
    emulator, client, *_ = acme
    before, bearer = emulator.calls, dict(client.headers)
    metric = {"dimensionId": "d", "value": 1, "externalId": "a"}
    for headers in OTHER_SITES:
        assert httpx.get(f"{emulator.url}/companies", headers=bearer | headers).status_code == 403
        url = f"{emulator.url}/dimensiondata/{emulator.tenant_token}"
        assert httpx.post(url, json=[metric], headers=headers).status_code == 403
    assert emulator.calls == before
    port = emulator.url.rpartition(":")[2]
    for name in ("localhost", "127.0.0.1", "[::1]"):
        ours = bearer | {"Host": f"{name}:{port}"}
        assert httpx.get(f"{emulator.url}/companies", headers=ours).status_code == 200


def test_other_sites_read_no_page_and_send_no_form(acme: Acme) -> None:
    emulator, *_ = acme
    url = f"{emulator.url}/__emulator__"
    for headers in OTHER_SITES:
        assert httpx.get(f"{url}/", headers=headers).status_code == 403
        assert httpx.post(f"{url}/faults/form", data={"kind": "status"}, headers=headers).status_code == 403
        assert httpx.get(f"{url}/records/company", headers=headers).status_code == 403
    assert httpx.get(f"{url}/faults").json() == []
    own = {"Origin": emulator.url, "Sec-Fetch-Site": "same-origin"}
    answer = httpx.get(f"{url}/", headers=own)
    assert answer.status_code == 200
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "query", ["page=" + "9" * 5000, "page=%00", "show=%ff%fe", "show=company&id=%ed%a0%80", "show=&id="]
)
def test_an_odd_page_is_a_page(acme: Acme, query: str) -> None:
    emulator, *_ = acme
    for show in ("", "show=company&"):
        assert httpx.get(f"{emulator.url}/__emulator__/?{show}{query}").status_code == 200


@pytest.mark.parametrize(
    "form", [b"\xff\xfe", b"kind=status&status=" + b"9" * 5000, b"kind=%00", b"", b"&&&=", b"delay=nan&kind=slow"]
)
def test_an_odd_form_is_refused_or_taken_and_never_a_failure(acme: Acme, form: bytes) -> None:
    emulator, *_ = acme
    for path in ("faults/form", "faults"):
        assert httpx.post(f"{emulator.url}/__emulator__/{path}", content=form).status_code < 500


def test_records_and_calls_are_filtered_by_what_they_hold(serve: Serve) -> None:
    emulator, client = serve(60)
    company = emulator.store.all("company")[40]
    text = page(emulator, show="company", q=company["externalId"].upper())
    assert "company: 1<" in text and company["name"] in text
    assert "page 2 of 2" in page(emulator, show="company", q="acct", page="2")
    assert "&amp;q=acct" in page(emulator, show="company", q="acct") or "q=acct&amp;" in page(
        emulator, show="company", q="acct"
    )
    client.get("/companies?limit=1")
    client.get("/users/none")
    assert "GET /users/none" in page(emulator, q="404") and "GET /companies" not in page(emulator, q="get users")


def test_a_long_query_is_told_in_words(acme: Acme) -> None:
    emulator, client, _ = acme
    client.get("/companies", params={"select": ",".join(f"field{number}" for number in range(85)), "limit": "5"})
    assert "select=85 fields limit=5" in page(emulator)


def test_a_browser_that_asks_for_the_root_is_led_to_the_pages(serve: Serve) -> None:
    emulator, client = serve(0)
    answer = httpx.get(f"{emulator.url}/", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"], emulator.calls) == (307, "/__emulator__/", 0)
    assert client.get("/").status_code == 404 and emulator.calls == 1


def test_every_fault_is_explained_and_the_page_fits_a_phone(acme: Acme) -> None:
    emulator, *_ = acme
    text = page(emulator, show="faults")
    assert all(f"<dt>{kind}</dt>" in text for kind in KINDS)
    assert 'name="viewport"' in text and "max-width: 700px" in text
    # There a record is a block: each value needs its name beside it.
    assert '<td data-name="name">Acme</td>' in page(emulator, show="company")
    assert '<td data-name="call">' not in page(emulator), "nothing was called yet"
