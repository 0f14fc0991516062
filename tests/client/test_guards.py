"""Guards and settings: what a client must not do, and addresses and tokens that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from planhat_orm import Company, ConfigurationError, Planhat, ReadOnlyError, ValidationError
from planhat_orm.errors import PlanhatError

from ..online import API_TOKEN, Online


def writes(planhat: Planhat, company: Any) -> dict[str, Any]:
    metric = {"dimensionId": "d", "value": 1, "externalId": "a"}
    return {
        "create": lambda: planhat.company.create({"name": "x"}),
        "update": lambda: planhat.company.update(company.id, {"name": "x"}),
        "bulk_upsert": lambda: planhat.company.bulk_upsert([{"name": "x"}]),
        "duplicate": lambda: planhat.time_entry.duplicate({"ids": ["1"]}),
        "metrics": lambda: planhat.metrics.bulk_insert_metrics(metric),
        "activity": lambda: planhat.user_activity.create_activity({"email": "a@x.example"}),
        "segment": lambda: planhat.user_activity.segment({"type": "identify", "userId": "u"}),
        "save": lambda: company.save(),
        "create object": lambda: Company.objects.using(planhat).create(name="x"),
        "upsert objects": lambda: Company.objects.using(planhat).bulk_upsert([{"external_id": "x", "name": "y"}]),
        "save_all": lambda: planhat.save_all([company]),
        "delete": lambda: planhat.company.delete(company.id),
        "delete object": lambda: company.delete(),
        "delete objects": lambda: Company.objects.using(planhat).delete(),
    }


def test_a_read_only_client_writes_nothing_and_reads(online: Online) -> None:
    emulator, planhat = online(companies=2, read_only=True)
    company = Company.objects.using(planhat).first()
    company.phase = "Live"  # type: ignore[union-attr]
    before = emulator.store.all("company")
    for name, write in writes(planhat, company).items():
        with pytest.raises(ReadOnlyError, match="read_only=True"):
            write()
            pytest.fail(name)
    with pytest.raises(ReadOnlyError), planhat.batch():
        company.save()  # type: ignore[union-attr]
    assert {call.method for call in emulator.log} == {"GET"}
    assert emulator.store.all("company") == before


def test_a_client_that_must_not_delete_does_everything_else(online: Online) -> None:
    emulator, planhat = online(companies=2, allow_delete=False)
    company = Company.objects.using(planhat).first()
    company.phase = "Live"  # type: ignore[union-attr]
    for name, write in writes(planhat, company).items():
        if "delete" in name:
            with pytest.raises(ReadOnlyError, match="allow_delete=False"):
                write()
        elif name != "duplicate":
            write()
    with pytest.raises(ReadOnlyError), planhat.batch():
        company.delete()  # type: ignore[union-attr]
    assert not emulator.log.matching("DELETE")


@pytest.mark.parametrize("key", ["", " ", "extid-", "srcid- ", ".", "..", None, 7])
def test_a_blank_or_odd_id_is_refused_before_any_call(online: Online, key: Any) -> None:
    emulator, planhat = online(companies=2)
    for call in (
        lambda: planhat.company.get_by_id(key),
        lambda: planhat.company.update(key, {"name": "x"}),
        lambda: planhat.company.delete(key),
    ):
        with pytest.raises(ValidationError):
            call()  # type: ignore[no-untyped-call]
    assert emulator.calls == planhat.calls == 0


def test_ids_are_escaped_on_their_way(online: Online) -> None:
    emulator, planhat = online()
    for key in ("a/b?c", "100% & #1", "../users", "é ü", "a+b", "%2F"):
        made = planhat.company.create({"name": key, "externalId": key, "sourceId": f"s{key}"})
        assert planhat.company.get_by_id(f"extid-{key}")["_id"] == made["_id"]
        assert planhat.company.get_by_id(f"srcid-s{key}")["_id"] == made["_id"]
        assert planhat.company.update(f"extid-{key}", {"phase": "x"})["_id"] == made["_id"]
        assert [company["_id"] for company in planhat.company.get_lean_list(external_id=key)] == [made["_id"]]
    assert {call.path.split("/")[1] for call in emulator.log} == {"companies", "leancompanies"}


@pytest.mark.parametrize("setting", ["api_url", "analytics_url"])
@pytest.mark.parametrize(
    "url",
    [
        "api.planhat.com",
        "ftp://api.planhat.com",
        "https://",
        "https:///companies",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
        "https://api.planhat.com?token=1",
        "https://api.planhat.com#x",
        "nonsense",
    ],
)
def test_an_address_that_is_none_is_refused(setting: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting} must be an address"):
        Planhat(API_TOKEN, **{setting: url})  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["https://user:s3cret@api.planhat.com", "ftp://s3cret@host", "s3cret@host"])
def test_an_address_with_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Planhat(API_TOKEN, api_url=url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://api-eu2.planhat.com", "https://api.planhatdemo.com/", " http://127.0.0.1:80 "]
)
def test_regional_hosts_are_settings(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert Planhat(API_TOKEN, api_url=url).settings.api_url == url.strip().rstrip("/")
    monkeypatch.setenv("PLANHAT_API_URL", url)
    assert Planhat(API_TOKEN).settings.api_url == url.strip().rstrip("/")
    assert Planhat(API_TOKEN).settings.analytics_url in ("https://analytics.planhat.com", "http://127.0.0.1:80")


def test_the_line_end_a_token_was_copied_with_does_no_harm(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator, _ = online(companies=1)
    monkeypatch.setenv("PLANHAT_API_TOKEN", f" {API_TOKEN}\r\n")
    with Planhat(api_url=emulator.url) as planhat:
        assert len(planhat.company.get_lean_list()) == 1


@pytest.mark.parametrize("token", ["s3cret token", "s3cret\ntoken", "s3cret\u2026", "s3crét"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token: str) -> None:
    for arguments in ({"api_token": token}, {"tenant_token": token}):
        with pytest.raises(ConfigurationError, match="copy it again") as raised:
            Planhat(**arguments)  # type: ignore[arg-type]
        assert "s3cr" not in str(raised.value)


@pytest.mark.parametrize("calls", [0, -1, "many", float("nan"), float("inf"), True, [1]])
def test_a_quota_that_is_no_positive_number_is_refused(calls: Any) -> None:
    with pytest.raises(ConfigurationError, match="positive number"):
        Planhat(API_TOKEN, calls_per_min=calls)


@pytest.mark.parametrize("calls", [0.5, 1, 200, 150.5, 100_000])
def test_any_positive_quota_will_do(monkeypatch: pytest.MonkeyPatch, calls: Any) -> None:
    assert Planhat(API_TOKEN, calls_per_min=calls).calls_per_min == float(calls)
    monkeypatch.setenv("PLANHAT_CALLS_PER_MIN", str(calls))
    assert Planhat(API_TOKEN).calls_per_min == float(calls)


def test_calls_counts_every_request_tries_included(online: Online) -> None:
    emulator, planhat = online(companies=1)
    emulator.faults.add("status", times=2)
    emulator.faults.add("rate_limit")
    planhat.company.get_lean_list()
    assert planhat.calls == emulator.calls == 4


def test_a_wrong_token_says_what_to_check(online: Online) -> None:
    emulator, _ = online()
    with Planhat("wrong", api_url=emulator.url) as planhat, pytest.raises(PlanhatError, match="PLANHAT_API_TOKEN"):
        planhat.company.get_lean_list()
    assert emulator.calls == 1


def test_making_a_client_makes_no_call(online: Online) -> None:
    emulator, planhat = online()
    assert (emulator.calls, planhat.calls) == (0, 0)
    assert repr(planhat) == f"<Planhat {emulator.url}, 0 calls>"
