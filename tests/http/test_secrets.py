"""Where tokens meet the wire, and only there."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from planhat_orm import ConfigurationError, Planhat
from planhat_orm.http.connecting import ConnectionOptions
from planhat_orm.http.effects import Request
from planhat_orm.http.secrets import Secrets

from ..online import API_TOKEN, TENANT_TOKEN, Online

SECRETS = Secrets(API_TOKEN, TENANT_TOKEN)


def request(auth: Any, path: str) -> Request:
    return Request("GET", path, auth=auth)


def test_each_kind_of_call_gets_its_own_secret() -> None:
    assert SECRETS.fill_in(request("token", "/companies")) == ("/companies", {"authorization": f"Bearer {API_TOKEN}"})
    _, header = SECRETS.fill_in(request("tenant", "/dock/segment"))
    assert header["authorization"].startswith("Basic ")
    assert SECRETS.fill_in(request("none", "/analytics/{tenant}")) == (f"/analytics/{TENANT_TOKEN}", {})


@pytest.mark.parametrize("path", ["/companies/%7Btenant%7D", "/companies/{tenant}"])
def test_an_id_that_looks_like_the_placeholder_stays_what_it_is(path: str) -> None:
    assert SECRETS.fill_in(request("token", path))[0] == "/companies/%7Btenant%7D"


def test_an_id_that_looks_like_the_placeholder_is_an_id(online: Online) -> None:
    emulator, planhat = online()
    emulator.store.insert("company", {"name": "Odd", "externalId": "{tenant}"})
    assert planhat.company.get_by_id("extid-{tenant}")["name"] == "Odd"


def test_secrets_are_neither_shown_nor_pickled() -> None:
    assert API_TOKEN not in repr(SECRETS)
    assert TENANT_TOKEN not in repr(SECRETS)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(SECRETS)


def test_a_missing_token_is_named_and_costs_no_call(online: Online) -> None:
    emulator, _ = online()
    with Planhat(api_url=emulator.url) as planhat:
        with pytest.raises(ConfigurationError, match="PLANHAT_API_TOKEN"):
            planhat.company.get_lean_list()
        with pytest.raises(ConfigurationError, match="PLANHAT_TENANT_TOKEN"):
            planhat.metrics.bulk_insert_metrics({"dimensionId": "d", "value": 1, "externalId": "e"})
        with pytest.raises(ConfigurationError, match="PLANHAT_TENANT_TOKEN"):
            planhat.user_activity.segment({"type": "identify", "userId": "u"})
        assert emulator.calls == planhat.calls == 0


def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    connection = ConnectionOptions()
    proxy = connection.proxy_for("https://api.planhat.com")
    assert proxy is not None
    assert proxy.url == "http://proxy.example:3128"
    assert connection.proxy_for("https://internal.example") is None
    assert connection.proxy_for("http://127.0.0.1:8080") is None
