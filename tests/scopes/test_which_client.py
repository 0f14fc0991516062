"""Which client `Company.objects` uses: docs/how-to/several-accounts.md."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import weakref
from typing import Any

import pytest

from planhat_orm import Company, ConfigurationError, Planhat, WhichClient
from planhat_orm.scopes import clients
from planhat_orm.scopes.accounts import Account, account
from tests.other_server import OtherServer

from .conftest import ROWS, Make, phases, writes


def names(queryset: Any = None) -> set[str]:
    """The accounts whose companies a query finds."""
    return {company.name[0] for company in (Company.objects.all() if queryset is None else queryset)}


# --- the current one ------------------------------------------------------------------------------------


def test_the_only_client_is_used(a: Planhat) -> None:
    assert names() == {"A"}


def test_of_several_clients_of_one_account_the_newest_is_used(make: Make) -> None:
    clients_of_a = [make("a") for _ in range(3)]  # a cell run three times
    assert clients.current() is clients_of_a[-1]


def test_clients_of_two_accounts_leave_it_open(a: Planhat, b: Planhat) -> None:
    with pytest.raises(WhichClient) as raised:
        Company.objects.first()
    message = str(raised.value)
    assert message.count("127.0.0.1") == 2 and message.count("conftest.py:") == 2
    assert "with planhat:" in message and ".using(planhat)" in message and "make_default()" in message
    assert "token" not in message


def test_a_closed_client_does_not_count(a: Planhat, b: Planhat) -> None:
    b.close()
    assert names() == {"A"}


def test_a_client_that_was_left_is_not_used_any_more(a: Planhat, b: Planhat) -> None:
    with b:
        assert names() == {"B"}
    assert names() == {"A"}
    assert names(Company.objects.using(b)) == {"B"}
    assert names() == {"A"}


def test_after_the_only_with_there_is_no_client(b: Planhat) -> None:
    with b:
        assert names() == {"B"}
    with pytest.raises(ConfigurationError, match=r"planhat = Planhat\(\)"):
        names()
    assert names(Company.objects.using(b)) == {"B"}


def test_a_helper_that_makes_and_drops_a_client_changes_nothing(a: Planhat, make: Make) -> None:
    gc.disable()
    try:

        def helper() -> int:
            planhat = make("b")
            return len(list(planhat.company.get_list()))

        assert helper() == 1
        assert names() == {"A"}
    finally:
        gc.enable()


def test_a_dropped_client_is_collected_at_once_however_it_was_used(make: Make) -> None:
    planhat = make("b")
    with planhat, planhat.batch(dry_run=True) as batch:
        for company in Company.objects.all():
            company.phase = "x"
            company.save()
        batch.plan()
    planhat.on("request", lambda request: None)
    planhat.company.get_by_id("extid-b-1")
    reference = weakref.ref(planhat)
    gc.disable()
    try:
        del planhat, company, batch
        assert reference() is None
    finally:
        gc.enable()


def test_the_default_is_used_outside_of_every_with(a: Planhat, b: Planhat) -> None:
    assert b.make_default() is b
    with a:
        assert names() == {"A"}
    assert names() == {"B"}
    seen: list[set[str]] = []
    thread = threading.Thread(target=lambda: seen.append(names()))
    thread.start()
    thread.join()
    assert seen == [{"B"}]


def test_the_default_client_stays_open_and_default_when_it_is_left(a: Planhat, b: Planhat) -> None:
    b.make_default()
    with b:
        names()
    assert b._holdings.driver._pools
    assert names() == {"B"}


def test_the_only_client_that_is_closed_each_time_opens_again(make: Make) -> None:
    planhat = make("a")

    async def run() -> set[str]:
        found = {company.name[0] async for company in Company.objects.all()}
        await planhat.aclose()
        return found

    for _ in range(3):
        assert asyncio.run(run()) == {"A"}


def test_two_mirrors_of_one_account_leave_it_open(make: Make, tmp_path: Any) -> None:
    one, other = make("a", mirror=tmp_path / "1.db"), make("a", mirror=tmp_path / "2.db")
    with pytest.raises(WhichClient, match=r"1\.db.*2\.db"):
        names()
    other.close()
    assert clients.current() is one


def test_a_client_with_and_one_without_a_mirror_are_of_one_account(make: Make, tmp_path: Any) -> None:
    held = [make("a", mirror=tmp_path / "1.db"), make("a")]
    assert clients.current() is held[-1]


def test_localhost_and_its_address_are_one_host(server: OtherServer, make: Make) -> None:
    held = [make("a"), make("a", api_url=server.url.replace("127.0.0.1", "LOCALHOST"))]
    assert clients.current() is held[-1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("https://api.planhat.com", "t"), ("https://API.planhat.com:443/", "t"), True),
        (("http://localhost:80", "t"), ("http://127.0.0.1", "t"), True),
        (("http://[::1]:8000", "t"), ("http://localhost:8000", "t"), True),
        (("https://api.planhat.com", "t"), ("https://api-us4.planhat.com", "t"), False),
        (("https://api.planhat.com", "t"), ("https://api.planhat.com", "u"), False),
        (("https://proxy/one", "t"), ("https://proxy/two", "t"), False),
        (("https://api.planhat.com", "t", "acme"), ("https://other", "u", "acme"), True),
        (("https://api.planhat.com", "t", "acme"), ("https://api.planhat.com", "t", "apex"), False),
        (("https://api.planhat.com", "t", "acme"), ("https://api.planhat.com", "t"), False),
    ],
)
def test_an_account_is_a_host_and_a_token_or_a_name(one: Any, other: Any, same: bool) -> None:
    assert (account(*one) == account(*other)) is same
    assert "t" not in str(account("https://h", "t")) and "identity" not in repr(account(*one))


def test_a_function_that_gives_a_token_is_an_account_of_its_own() -> None:
    def give() -> str:
        return "t"

    assert account("https://h", give) == account("https://h", give)
    assert account("https://h", give) != account("https://h", lambda: "t")
    carried: Account = pickle.loads(pickle.dumps(account("https://h", give).portable()))
    assert carried.matches(account("https://h", give)) and not carried.matches(account("https://i", give))


def test_a_new_token_beside_the_old_one_leaves_it_open_unless_the_account_has_a_name(
    server: OtherServer, make: Make
) -> None:
    server.admit("rotated", "a")
    held = [make("a"), make("a", api_token="rotated")]
    with pytest.raises(WhichClient):
        names()
    held.clear()
    held = [make("a", account="acme"), make("a", api_token="rotated", account="acme")]
    assert clients.current() is held[-1]
    assert names() == {"A"}


def test_a_mirror_with_a_token_from_a_function_needs_a_name(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"account='acme'"):
        Planhat(lambda: "t", mirror=tmp_path / "a.db")
    assert Planhat(lambda: "t", mirror=tmp_path / "a.db", account="acme").account.name == "acme"
    monkeypatch.setenv("PLANHAT_ACCOUNT", "acme")
    assert Planhat(lambda: "t", mirror=tmp_path / "a.db").account.name == "acme"


@pytest.mark.parametrize("name", [5, True, " "])
def test_the_name_of_an_account_is_text(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="account"):
        Planhat("t", account=name)


# --- querysets ------------------------------------------------------------------------------------------


def test_a_queryset_of_no_client_is_resolved_when_it_is_read(make: Make) -> None:
    queryset = Company.objects.filter(phase="new")
    held = make("a")
    assert names(queryset) == {"A"}
    assert held is not None


def test_a_queryset_keeps_the_client_it_was_made_in(a: Planhat, b: Planhat) -> None:
    with a:
        queryset = Company.objects.filter(phase="new")
    with b:
        assert names(queryset) == names(queryset.filter(name__contains="A")) == names(queryset.all()) == {"A"}
        assert names(Company.objects.using(a)) == {"A"}
    assert names(queryset) == {"A"}


async def _names(queryset: Any) -> set[str]:
    return {company.name[0] async for company in queryset}


@pytest.mark.parametrize("read", [names, lambda queryset: asyncio.run(_names(queryset))])
@pytest.mark.parametrize("kind", ["records", "values"])
def test_rows_that_were_read_are_not_shown_inside_another_account(a: Planhat, b: Planhat, read: Any, kind: str) -> None:
    queryset: Any = Company.objects.filter(phase="new")
    if kind == "values":
        queryset = queryset.values_list("name")
    with a:
        read(queryset) if kind == "records" else list(queryset)
    asks: list[Any] = [len, bool, list, lambda rows: rows[0], lambda rows: list(rows[:2]), lambda rows: rows.first()]
    if kind == "records":
        asks += [lambda rows: rows.count(), lambda rows: rows.exists(), lambda rows: rows.last()]
        asks += [lambda rows: names(rows.filter(phase="new")), lambda rows: asyncio.run(_names(rows))]
    with b:
        for ask in asks:
            with pytest.raises(WhichClient, match=r"\.all\(\)"):
                ask(queryset)
        if kind == "records":
            assert names(queryset.all()) == {"B"}
    with a:
        assert len(queryset) == ROWS


def test_figures_of_a_queryset_that_keeps_no_rows_follow_the_scope(a: Planhat, b: Planhat, server: OtherServer) -> None:
    server.fill("company", 1, lambda n: {"name": "B!", "phase": "new"}, account="b")
    queryset = Company.objects.filter(phase="new")
    with a:
        assert queryset.count() == ROWS
    with b:
        assert queryset.count() == ROWS + 1


# --- records --------------------------------------------------------------------------------------------


def test_a_record_is_saved_where_it_came_from(a: Planhat, b: Planhat, server: OtherServer) -> None:
    record = Company.objects.using(a).get("extid-a-1")
    record.phase = "x"
    with b:
        record.save()
        record.refresh()
    assert writes(server, "b") == [] and phases(server, "a") == {"new", "x"}


def test_a_record_keeps_its_client_alive(make: Make, server: OtherServer) -> None:
    a, b = make("a"), make("b")
    record = Company.objects.using(a).get("extid-a-1")
    a.close()
    del a
    gc.collect()
    record.phase = "x"
    record.save()
    assert writes(server, "b") == [] and phases(server, "a") == {"new", "x"}
    assert b is not None


def test_a_read_only_client_that_is_gone_does_not_let_its_records_through_another(make: Make) -> None:
    from planhat_orm import ReadOnlyError

    record = Company.objects.using(make("a", read_only=True)).get("extid-a-1")
    held = make("b")
    gc.collect()
    record.phase = "x"
    with pytest.raises(ReadOnlyError):
        record.save()
    assert held is not None


VERBS: dict[str, Any] = {
    "save": lambda record, other: record.save(using=other),
    "delete": lambda record, other: record.delete(using=other),
    "refresh": lambda record, other: record.refresh(using=other),
    "asave": lambda record, other: asyncio.run(record.asave(using=other)),
    "adelete": lambda record, other: asyncio.run(record.adelete(using=other)),
    "arefresh": lambda record, other: asyncio.run(record.arefresh(using=other)),
    "aload": lambda record, other: asyncio.run(record.aload("owner", using=other)),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_record_goes_through_no_client_of_another_account(
    verb: str, a: Planhat, b: Planhat, server: OtherServer
) -> None:
    record = Company.objects.using(a).get("extid-a-1")
    record.phase = "x"
    calls = len(server.log)
    with pytest.raises(WhichClient, match=r"clone\(\)"):
        VERBS[verb](record, b)
    assert len(server.log) == calls


def test_a_record_goes_through_another_client_of_its_account(make: Make, server: OtherServer) -> None:
    a, other = make("a"), make("a")
    record = Company.objects.using(a).get("extid-a-1")
    record.phase = "x"
    record.save(using=other)
    assert other.calls == 1 and phases(server, "a") == {"new", "x"}


def test_a_copy_goes_to_the_other_account(a: Planhat, b: Planhat, server: OtherServer) -> None:
    copy = Company.objects.using(a).get("extid-a-1").clone()
    copy.save(using=b)
    assert [record["name"] for record in server.records("company", account="b")][-1] == "A1"


def test_related_records_come_from_the_same_client(a: Planhat, b: Planhat, server: OtherServer) -> None:
    company = server.records("company", account="a")[0]
    server.fill("license", 1, lambda n: {"companyId": company["_id"], "product": "A"}, account="a")
    record = Company.objects.using(a).get(company["_id"])
    with b:
        (license,) = record.licenses
        assert license.product == "A" and license.company.name == "A0"


# --- pickles --------------------------------------------------------------------------------------------


def test_a_pickled_record_is_saved_by_a_client_of_its_account_only(a: Planhat, b: Planhat, server: OtherServer) -> None:
    record = Company.objects.using(a).get("extid-a-1")
    record.phase = "x"
    pickled = pickle.dumps(record)
    assert b"token-a" not in pickled
    loaded: Company = pickle.loads(pickled)
    with b, pytest.raises(WhichClient, match="belongs to the account"):
        loaded.save()
    again: Company = pickle.loads(pickle.dumps(loaded))
    with b, pytest.raises(WhichClient):
        again.refresh()
    assert writes(server) == []
    with a:
        again.save()
    assert phases(server, "a") == {"new", "x"}


def test_a_pickled_queryset_is_read_by_a_client_of_its_account_only(a: Planhat, b: Planhat) -> None:
    with a:
        made = pickle.dumps(Company.objects.filter(phase="new"))
    read = Company.objects.filter(phase="new")
    with a:
        list(read)
    for pickled in (made, pickle.dumps(read)):
        loaded = pickle.loads(pickled)
        with b, pytest.raises(WhichClient, match="pickle"):
            list(loaded)
        with a:
            assert names(pickle.loads(pickle.dumps(loaded))) == {"A"}


def test_a_pickled_record_without_a_client_belongs_to_the_first_that_writes_it(a: Planhat, server: OtherServer) -> None:
    loaded: Company = pickle.loads(pickle.dumps(Company(name="New")))
    loaded.save()
    assert server.records("company", account="a")[-1]["name"] == "New"


# --- life -----------------------------------------------------------------------------------------------


def test_a_generator_of_pages_keeps_its_client(make: Make, server: OtherServer) -> None:
    server.behave(page_rows=2)
    pages = make("a").company.get_list()
    assert sum(len(page) for page in pages) == ROWS


def test_with_left_in_another_context_closes_the_client_without_a_word(make: Make) -> None:
    async def fixture(planhat: Planhat) -> Any:
        async with planhat:
            yield planhat

    planhat = make("a")
    loop = asyncio.new_event_loop()
    generator = fixture(planhat)
    assert loop.run_until_complete(anext(generator)) is planhat
    assert loop.run_until_complete(_names(Company.objects.all())) == {"A"}
    with pytest.raises(StopAsyncIteration):
        loop.run_until_complete(anext(generator))
    loop.close()
    assert planhat._entered == []
    with pytest.raises(ConfigurationError):
        names()
