"""Where tokens meet the wire, and only there."""

from __future__ import annotations

import pickle

import httpx
import pytest

from planhat_orm import ConfigurationError, Planhat
from planhat_orm.http.transport import Secrets, proxy_for

from ..online import API_TOKEN, TENANT_TOKEN, Online

SECRETS = Secrets(API_TOKEN, TENANT_TOKEN)


def sent(auth: str, path: str) -> httpx.Request:
    return SECRETS.apply(httpx.Request("GET", f"http://127.0.0.1{path}", headers={"x-planhat-auth": auth}))


def test_each_kind_of_call_gets_its_own_secret() -> None:
    assert sent("token", "/companies").headers["authorization"] == f"Bearer {API_TOKEN}"
    assert sent("tenant", "/dock/segment").headers["authorization"].startswith("Basic ")
    push = sent("none", "/analytics/%7Btenant%7D")
    assert push.url.path == f"/analytics/{TENANT_TOKEN}"
    assert "authorization" not in push.headers
    assert all("x-planhat-auth" not in sent(auth, "/").headers for auth in ("token", "tenant", "none"))


@pytest.mark.parametrize("path", ["/companies/%7Btenant%7D", "/tickets?search=%7Btenant%7D"])
def test_an_id_that_looks_like_the_placeholder_stays_what_it_is(path: str) -> None:
    assert TENANT_TOKEN not in str(sent("token", path).url)


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
    assert proxy_for("https://api.planhat.com") == "http://proxy.example:3128"
    assert proxy_for("https://internal.example") is None
    assert proxy_for("http://127.0.0.1:8080") is None
