"""What tools that print the variables of every frame (rich, cgitb, Sentry) would show: no token."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import FrameType
from typing import Any

import msgspec
import pytest
from rich.pretty import pretty_repr

import planhat_orm
from planhat_orm import Planhat
from planhat_orm.errors import ConfigurationError, PlanhatError
from planhat_orm.http.effects import Request
from planhat_orm.http.retry import Retry
from planhat_orm.reprs import OwnRepr

from ..online import API_TOKEN, TENANT_TOKEN, Online

SECRETS = (API_TOKEN, TENANT_TOKEN)


def frames(error: BaseException | None) -> Iterator[FrameType]:
    """The frames of an error and of all it came from, but those of the tests, which hold the tokens themselves."""
    if error is None:
        return
    trace = error.__traceback__
    while trace is not None:
        if "/tests/" not in trace.tb_frame.f_code.co_filename:
            yield trace.tb_frame
        trace = trace.tb_next
    yield from frames(error.__cause__)
    if error.__context__ is not error.__cause__:
        yield from frames(error.__context__)


def shown(error: BaseException) -> str:
    return "\n".join(
        f"{frame.f_code.co_filename}:{frame.f_code.co_name} {name}={value!r} {_inside(value)}"
        for frame in frames(error)
        for name, value in frame.f_locals.items()
    )


async def _awaited(planhat: Planhat, call: Any) -> Any:
    try:
        return await call
    finally:
        await planhat.aclose()


def _inside(value: Any) -> str:
    """One level into an object, as rich shows those that have no repr of their own."""
    return repr(getattr(value, "__dict__", "")) if type(value).__repr__ is object.__repr__ else ""  # type: ignore[comparison-overlap]


CALLS: dict[str, Callable[[Planhat], Any]] = {
    "list": lambda p: list(p.company.get_list()),
    "create": lambda p: p.company.create({"name": "x"}),
    "metrics": lambda p: p.metrics.bulk_insert_metrics({"dimensionId": "d", "value": 1, "externalId": "a"}),
    "activity": lambda p: p.user_activity.create_activity({"email": "a@x.example"}),
    "segment": lambda p: p.user_activity.segment({"type": "track", "userId": "u"}),
}
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 500}, {"kind": "reset_before"}, {"kind": "truncated"}, {"kind": "html"},
    {"kind": "timeout_after", "delay": 3},
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one["kind"])
def test_no_frame_of_an_error_holds_a_token(online: Online, fault: dict[str, Any]) -> None:
    emulator, planhat = online(timeout=0.1, retry=Retry(attempts=1))
    emulator.faults.add(times=None, **fault)
    twins: dict[str, Callable[[Planhat], Any]] = {
        "aget": lambda p: p.company.aget_by_id("5f0c"),
        "ametrics": lambda p: p.metrics.abulk_insert_metrics({"dimensionId": "d", "value": 1, "externalId": "a"}),
    }
    for name, call in {**CALLS, **twins}.items():
        with pytest.raises(PlanhatError) as raised:
            call(planhat) if name in CALLS else asyncio.run(_awaited(planhat, call(planhat)))
        text = shown(raised.value)
        assert "planhat_orm" in text
        for secret in SECRETS:
            assert secret not in text, f"{name}: {[line for line in text.splitlines() if secret in line][:3]}"


def test_a_server_that_nobody_reaches_shows_no_token_either() -> None:
    with Planhat(API_TOKEN, TENANT_TOKEN, api_url="http://127.0.0.1:9", retry=Retry(attempts=1)) as planhat:
        for call in CALLS.values():
            with pytest.raises(PlanhatError) as raised:
                call(planhat)
            assert not any(secret in shown(raised.value) for secret in SECRETS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scan": "alow"},
        {"read": "mirrow"},
        {"api_url": "nonsense"},
        {"calls_per_min": 0},
        {"api_token": API_TOKEN + " x"},
    ],
)
def test_a_client_that_cannot_be_made_shows_no_token(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Planhat(**{"api_token": API_TOKEN, "tenant_token": TENANT_TOKEN, **wrong})
    assert not any(secret in shown(raised.value) for secret in SECRETS)


def test_settings_are_not_pickled_with_their_tokens() -> None:
    settings = Planhat(API_TOKEN, TENANT_TOKEN).settings
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(settings)


def test_a_token_that_the_server_repeats_is_struck_out(online: Online) -> None:
    """Web servers name the path in their 404, and the tenant token is part of it."""
    emulator, _ = online()
    with (
        Planhat(API_TOKEN, TENANT_TOKEN, api_url=emulator.url, analytics_url=f"{emulator.url}/analytics/v1") as planhat,
        pytest.raises(PlanhatError) as raised,
    ):
        planhat.user_activity.create_activity({"email": "a@x.example"})
    kept = pickle.dumps(raised.value)
    assert b"Cannot POST /analytics/v1/analytics/***" in kept
    assert TENANT_TOKEN.encode() not in kept
    assert TENANT_TOKEN not in raised.value.detail  # type: ignore[attr-defined]


def test_rich_shows_of_a_struct_what_its_repr_says() -> None:
    request = Request("POST", "/companies", (("name", "secret"),), b'{"name": "secret"}')
    assert pretty_repr(request) == repr(request) == "<Request POST /companies>"


def test_no_struct_with_a_repr_of_its_own_tells_rich_another() -> None:
    for module in walk_packages(planhat_orm.__path__, "planhat_orm."):
        if not module.name.endswith((".__main__", ".mypy_plugin", ".dlt")):
            import_module(module.name)
    structs = list[type]()
    for struct in (waiting := [msgspec.Struct]):
        waiting += struct.__subclasses__()
        structs += [struct] if struct.__module__.startswith("planhat_orm") and "__repr__" in vars(struct) else []
    assert structs and all(issubclass(struct, OwnRepr) for struct in structs)
