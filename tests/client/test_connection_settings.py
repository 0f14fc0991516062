"""Settings of the way to Planhat: refused by name when the client is made, and tokens that a function gives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from planhat_orm import AuthenticationError, ConfigurationError, Planhat
from planhat_orm.http.effects import Request
from planhat_orm.http.retry import Retry

from ..hostile.server import Asked, HostileServer, Step, respond


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": "5"}, "timeout must be a positive number of seconds, not '5'"),
        ({"timeout": -1}, "timeout must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": float("nan")}, "timeout must be"),
        ({"timeout": True}, "timeout must be"),
        ({"retry": 3}, r"retry=\.\.\.\) takes a Retry, .* not 3"),
        ({"api_token": 5}, "api_token must be text, or a function that returns text, not int"),
        ({"tenant_token": b"x"}, "tenant_token must be text"),
        ({"max_answer": 0}, "max_answer"),
        ({"max_answer": "1"}, "max_answer"),
        ({"read_only": "no"}, "read_only.* must be True or False, not 'no'"),
        ({"allow_delete": "no"}, "allow_delete"),
        ({"allow_http": "no"}, "allow_http must be True or False"),
        ({"calls_per_min": "3"}, "calls_per_min must be a positive number, not '3'"),
        ({"mirror": 5}, "mirror must be a path .*, not int"),
        ({"mirror": b"a.db"}, "mirror must be a path .*, not bytes"),
        ({"api_url": 5}, "api_url must be an address"),
        ({"api_url": "https://h\u00f6st.example"}, "api_url must be an address"),
        ({"api_url": "https://api.planhat.com/\n"}, None),
        ({"api_url": "https://api.planhat.com/a b"}, "api_url must be an address"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(options: dict[str, Any], words: str | None) -> None:
    if words is None:
        Planhat(**options)
        return
    with pytest.raises(ConfigurationError, match=words):
        Planhat(**options)


@pytest.mark.parametrize(
    "options", [{"attempts": 0}, {"attempts": "3"}, {"attempts": 2.5}, {"floor": 0}, {"ceiling": -1}, {"deadline": "1"}]
)
def test_a_retry_that_cannot_be_kept_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"Retry\({next(iter(options))}="):
        Retry(**options)


# --- http:// --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["api_url", "analytics_url"])
def test_http_to_another_machine_is_refused_as_the_token_would_be_in_clear(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} is 'http://planhat.example'.*allow_http=True"):
        Planhat(**{name: "http://planhat.example"})  # type: ignore[arg-type]
    Planhat(**{name: "http://planhat.example"}, allow_http=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80", "127.9.9.9"])
def test_http_on_this_machine_needs_no_leave(host: str) -> None:
    assert Planhat(api_url=f"http://{host}").settings.analytics_url == f"http://{host}"


@pytest.mark.parametrize("host", ["127.0.0.1.example", "localhost.example", "10.0.0.1", "0.0.0.0"])
def test_a_host_that_only_looks_like_this_machine_is_another(host: str) -> None:
    with pytest.raises(ConfigurationError, match="in clear"):
        Planhat(api_url=f"http://{host}")


@pytest.mark.parametrize(
    ("word", "is_allowed"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)]
)
def test_the_environment_may_allow_http(word: str, is_allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANHAT_ALLOW_HTTP", word)
    if is_allowed:
        Planhat(api_url="http://planhat.example")
        with pytest.raises(ConfigurationError):
            Planhat(api_url="http://planhat.example", allow_http=False)
        return
    with pytest.raises(ConfigurationError, match="in clear"):
        Planhat(api_url="http://planhat.example")


def test_a_word_that_says_neither_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANHAT_ALLOW_HTTP", "perhaps")
    with pytest.raises(ConfigurationError, match="PLANHAT_ALLOW_HTTP must be 1 or 0"):
        Planhat()


# --- tokens that a function gives -----------------------------------------------------------------------


class Tokens:
    """A function that gives a new token each time, and a server that takes those from `good` on."""

    def __init__(self, good: int = 1) -> None:
        self.given = 0
        self.good = good

    def __call__(self) -> str:
        self.given += 1
        return f"token-{self.given}"

    def answer(self, asked: Asked) -> Iterator[Step]:
        name = asked.headers.get("authorization", "") + asked.path
        number = int("".join(letter for letter in name.partition("token-")[2] if letter.isdigit()) or 0)
        yield respond(b"[]") if number >= self.good else respond(b"Unauthorized", "401 Unauthorized")


def test_a_function_is_asked_when_a_token_is_first_needed_and_kept() -> None:
    tokens = Tokens()
    with HostileServer(tokens.answer) as server, Planhat(tokens, api_url=server.url) as planhat:
        assert tokens.given == 0
        for _ in range(3):
            planhat.company.get_lean_list()
        assert tokens.given == 1
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer token-1"] * 3


def test_a_function_is_asked_once_more_after_a_401() -> None:
    tokens = Tokens(good=2)
    with HostileServer(tokens.answer) as server, Planhat(tokens, api_url=server.url) as planhat:
        assert planhat.company.get_lean_list() == []
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer token-1", "Bearer token-2"]


def test_a_second_401_is_an_error() -> None:
    tokens = Tokens(good=9)
    with HostileServer(tokens.answer) as server, Planhat(tokens, api_url=server.url) as planhat:
        with pytest.raises(AuthenticationError) as raised:
            planhat.company.get_lean_list()
        assert raised.value.attempts == tokens.given == len(server.asked) == 2


def test_a_text_is_not_asked_again() -> None:
    tokens = Tokens(good=9)
    with HostileServer(tokens.answer) as server, Planhat("token-1", api_url=server.url) as planhat:
        with pytest.raises(AuthenticationError):
            planhat.company.get_lean_list()
        assert len(server.asked) == 1


def test_threads_that_are_refused_together_ask_for_one_new_token() -> None:
    tokens = Tokens(good=2)
    with HostileServer(tokens.answer) as server, Planhat(tokens, api_url=server.url) as planhat:
        planhat._session.secrets.ask(Request("GET", "/leancompanies"), 0)
        threads = [threading.Thread(target=planhat.company.get_lean_list) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tokens.given == 2


def test_tasks_ask_without_holding_up_the_loop() -> None:
    loop_thread: list[int] = []
    asked_in: list[int] = []

    def tokens() -> str:
        asked_in.append(threading.get_ident())
        return "token-1"

    async def main(url: str) -> None:
        loop_thread.append(threading.get_ident())
        async with Planhat(tokens, api_url=url) as planhat:
            await planhat.company.aget_lean_list()

    with HostileServer(Tokens().answer) as server:
        asyncio.run(main(server.url))
    assert asked_in and asked_in != loop_thread


def test_the_tenant_token_may_be_given_by_a_function_too() -> None:
    tokens = Tokens(good=2)
    with HostileServer(tokens.answer) as server, Planhat(tenant_token=tokens, api_url=server.url) as planhat:
        planhat.metrics.bulk_insert_metrics({"dimensionId": "d", "value": 1, "externalId": "a"})
        assert [asked.path for asked in server.asked] == ["/dimensiondata/token-1", "/dimensiondata/token-2"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: None, r"What api_token\(\) returns must be text"),
        (lambda: "", r"returned an empty text"),
        (lambda: "a b", "spaces or letters"),
        (lambda: 1 / 0, r"api_token\(\) was asked for the token and raised ZeroDivisionError"),
    ],
)
def test_a_function_that_gives_no_token_is_told_and_nothing_is_sent(function: Any, words: str) -> None:
    with HostileServer(Tokens().answer) as server, Planhat(function, api_url=server.url) as planhat:
        with pytest.raises(ConfigurationError, match=words):
            planhat.company.get_lean_list()
        assert server.asked == []
        assert planhat.calls == 0
