"""What a server says, or makes this side say, holds no token: not in errors, pickles, logs, or frames."""

from __future__ import annotations

import asyncio
import base64
import functools
import logging
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from planhat_orm import Planhat, PlanhatError
from planhat_orm.http.retry import Retry

from .server import Answer, Asked, HostileServer, Step, always, respond

TOKEN = "secret/api+token=5d41402abc4b2a76"
TENANT = "secret/tenant+7d793037a0760186"
ONCE = Retry(attempts=1)


def forms(token: str) -> list[bytes]:
    """A token as servers may repeat it."""
    percent = "".join(f"%{ord(letter):02x}" for letter in token)
    coded = [base64.b64encode(head + token.encode() + b":tail").strip(b"=") for head in (b"", b"x", b"xy")]
    whole = quote(token, safe="")
    plain = [token.encode(), whole.encode(), whole.lower().encode(), quote(whole, safe="").encode(), percent.encode()]
    return [*plain, *(one_form[4:-8] for one_form in coded)]


FORMS = [*forms(TOKEN), *forms(TENANT)]


def holds_a_token(data: bytes) -> bool:
    return any(form.lower() in data.lower() for form in FORMS)


def _echo(asked: Asked) -> Iterator[Step]:
    """Everything that was sent, in a refusal, in its headers and as a redirect."""
    said = asked.headers.get("authorization", "") + asked.target
    body = "\n".join([said, quote(said, safe=""), base64.b64encode(said.encode()).decode()]).encode()
    yield respond(body, "404 Not Found", location=f"https://elsewhere.example{said}", x_path=quote(said, safe=""))


def _redirect(asked: Asked) -> Iterator[Step]:
    yield respond(b"", "302 Found", location=f"https://elsewhere.example{asked.target}")


CALLS: dict[str, Callable[[Planhat], Any]] = {
    "token": lambda p: p.company.get_lean_list(),
    "metrics": lambda p: p.metrics.bulk_insert_metrics({"dimensionId": "d", "value": 1, "externalId": "a"}),
    "segment": lambda p: p.user_activity.segment({"type": "track", "userId": "u"}),
}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    texts: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(f"{record.getMessage()} {record.msg!r} {record.args!r}")

    names = ["", "planhat_orm", "httpcore", *(f"httpcore.{name}" for name in ("connection", "http11", "proxy"))]
    keep, before = Keep(logging.DEBUG), {name: logging.getLogger(name).level for name in names}
    logging.getLogger().addHandler(keep)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield texts
    logging.getLogger().removeHandler(keep)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def client(server: HostileServer, **options: Any) -> Planhat:
    return Planhat(TOKEN, TENANT, api_url=server.url, retry=ONCE, **options)


def shown(error: BaseException) -> str:
    """An error with its frames and their variables, but those of the tests, which hold the tokens themselves."""
    lines = [*traceback.format_exception(error), repr(error), repr(vars(error))]
    behind: list[BaseException | None] = [error]
    while behind:
        one_error = behind.pop()
        if one_error is None:
            continue
        trace = one_error.__traceback__
        while trace is not None:
            if "/tests/" not in trace.tb_frame.f_code.co_filename:
                lines += [f"{name}={value!r} {_inside(value)}" for name, value in trace.tb_frame.f_locals.items()]
            trace = trace.tb_next
        behind += [one_error.__cause__, one_error.__context__]
    return "\n".join(lines)


def _inside(value: Any) -> str:
    """What a debugger shows of an object that has no repr of its own."""
    return repr(getattr(value, "__dict__", "")) if type(value).__repr__ is object.__repr__ else ""  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("answer", [_echo, _redirect], ids=["echo", "redirect"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_a_server_repeats_is_struck_out_everywhere(answer: Answer, call: Any, logged: list[str]) -> None:
    with HostileServer(answer) as server, client(server) as planhat:
        heard: list[Any] = []
        for event in ("request", "response", "retry", "wait"):
            planhat.on(event, heard.append)
        with pytest.raises(PlanhatError) as raised:
            call(planhat)
        error: Any = raised.value
        assert server.asked, "it was sent"
        for text in (shown(error), error.detail, str(error.response.headers), "\n".join(logged), repr(heard)):
            assert not holds_a_token(text.encode()), text
        assert not holds_a_token(pickle.dumps(error))
        assert "***" in error.detail or answer is _redirect


def test_the_log_of_httpcore_tells_of_a_request_and_of_no_header(logged: list[str]) -> None:
    answer = always(respond(b"[]", set_cookie="session=hostile", x_name="Ada"))
    with HostileServer(answer) as server, client(server) as planhat:
        planhat.company.get_lean_list(external_id="ada@example.org")
    said = "\n".join(logged)
    assert "receive_response_headers.complete" in said
    assert "hostile" not in said
    assert "ada" not in said.lower()


def test_a_redirect_names_the_host_to_set_and_is_not_followed() -> None:
    with HostileServer(_redirect) as server, client(server) as planhat:
        with pytest.raises(PlanhatError, match=r"points to https://elsewhere.example\. .*api_url='https://elsewhere"):
            planhat.company.get_lean_list()
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "location",
    ["//x", "/companies", "", "javascript:alert(1)", "https://ev il/", "https://[::1", "https://x\u202ey/", "ftp://x/"],
)
def test_a_redirect_to_what_is_no_host_names_none(location: str) -> None:
    answer = always(respond(b"", "302 Found", location=location.encode("utf-8").decode("latin-1")))
    with (
        HostileServer(answer) as server,
        client(server) as planhat,
        pytest.raises(PlanhatError, match="set api_url"),
    ):
        planhat.company.get_lean_list()


def test_cookies_are_neither_kept_nor_sent_back() -> None:
    with HostileServer(always(respond(b"[]", set_cookie="session=hostile; Path=/"))) as server:
        with client(server) as planhat:
            heard: list[Any] = []
            planhat.on("response", heard.append)
            for _ in range(3):
                planhat.company.get_lean_list()
        assert len(server.asked) == 3
        assert not any("cookie" in asked.headers for asked in server.asked)
        assert not any("set-cookie" in response.headers for _, response in heard)


def test_ctrl_c_during_a_push_of_metrics_leads_to_no_frame_with_a_token() -> None:
    with HostileServer(always(60.0)) as server, client(server) as planhat:
        # The main thread itself gets the signal: it waits in a call of the system, which nothing else interrupts.
        interrupt = functools.partial(signal.pthread_kill, threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
        planhat.on("request", lambda _: threading.Timer(0.3, interrupt).start())
        with pytest.raises(KeyboardInterrupt) as raised:
            CALLS["metrics"](planhat)
        assert not holds_a_token(shown(raised.value).encode())


def test_a_timeout_of_a_task_leads_to_no_frame_with_a_token() -> None:
    async def main(planhat: Planhat) -> None:
        async with planhat, asyncio.timeout(0.3):
            await planhat.metrics.abulk_insert_metrics({"dimensionId": "d", "value": 1, "externalId": "a"})

    with HostileServer(always(60.0)) as server:
        with pytest.raises(TimeoutError) as raised:
            asyncio.run(main(client(server)))
        assert not holds_a_token(shown(raised.value).encode())


def test_what_a_listener_raises_keeps_its_own_frames_and_no_others() -> None:
    def listener(_: Any) -> None:
        raise LookupError("mine")

    with HostileServer(always(60.0)) as server, client(server) as planhat:
        planhat.on("wait", listener)
        with pytest.raises(LookupError, match="mine") as raised:
            CALLS["metrics"](planhat)
        assert raised.traceback[-1].name == "listener"
        assert not holds_a_token(shown(raised.value).encode())
