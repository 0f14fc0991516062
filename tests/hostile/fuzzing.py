"""Every public callable, and arguments that make little sense: what each call may raise is an error of ours."""

from __future__ import annotations

import asyncio
import inspect
import random
import signal
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import planhat_orm
from planhat_orm import (
    Batch,
    BatchResult,
    Company,
    Custom,
    F,
    Groups,
    Plan,
    Planhat,
    PlanhatError,
    Q,
    QuerySet,
    RowResult,
    SaveResult,
    Sum,
    When,
    WritePlan,
)
from planhat_orm.http.drivers import Driver
from planhat_orm.mirror import Mirror
from planhat_orm.query.expressions import Expression
from planhat_orm.webhooks import Receiver

SECONDS = 10.0
"""After which a call counts as hanging."""


class Hung(BaseException):
    """A call did not end."""


@dataclass(frozen=True)
class Call:
    """A public callable by its name, and what makes it anew for each call."""

    name: str
    bound: Callable[[], Callable[..., Any]]


class Account(Company):
    tier = Custom("Tier", str)


_ID = "65f0c1a2b3d4e5f607001000"


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def _deep() -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(3000):
        value = {"a": value}
    return value


class Given(Exception):
    """What a function that was given raises, which is its giver's and passed on."""


def _refusing(*_: Any, **__: Any) -> Any:
    raise Given


def _raising() -> Iterator[Any]:
    yield {"name": "a"}
    raise PlanhatError("the rows end here")


ODD: list[Callable[[], Any]] = [
    lambda: None, lambda: True, lambda: 0, lambda: -1, lambda: 10**30, lambda: 2.5, lambda: float("nan"),
    lambda: float("inf"), lambda: "", lambda: "x", lambda: "name", lambda: "-mrr", lambda: "custom__Tier", lambda: "a__b__c",
    lambda: "\ud83d", lambda: "\x00", lambda: "x" * 70_000, lambda: b"x", list, lambda: [None], lambda: ["name"],
    lambda: [[]], lambda: (1, 2), dict, lambda: {"name": "a"}, lambda: {1: 2}, lambda: {"name": object()}, lambda: {"x"},
    object, lambda: _refusing, lambda: Company, lambda: Company(name="a"), lambda: Company.from_wire({"_id": _ID, "name": "A"}),
    lambda: [Company(name="a")], lambda: Q(name="x"), lambda: F("mrr"), lambda: Company.mrr, lambda: Sum("mrr"),
    lambda: Company.objects.all(), lambda: date(2026, 1, 31), lambda: datetime(2026, 1, 31), lambda: datetime.max,
    lambda: datetime(1, 1, 1, tzinfo=UTC), lambda: timedelta(days=1), lambda: Path("x"), lambda: iter([1]), _raising, _circle,
    _deep, lambda: Decimal("sNaN"), lambda: complex(1), lambda: int, lambda: ..., lambda: range(3), lambda: _ID,
    lambda: [{"name": "a", "external_id": "1"}], lambda: {"externalId": "1", "name": "a"}, lambda: "extid-1",
]  # fmt: skip
"""What makes an odd argument, new for each call."""


def _record() -> Account:
    return Account.from_wire({"_id": _ID, "name": "A", "custom": {"Tier": "A"}})


def public_calls(planhat: Planhat) -> list[Call]:
    """Everything public that can be called, of the package and of the objects that it hands out."""
    subjects: dict[str, Callable[[], Any]] = {
        "planhat": lambda: planhat,
        "planhat.company": lambda: planhat.company,
        "planhat.license": lambda: planhat.license,
        "planhat.time_entry": lambda: planhat.time_entry,
        "planhat.metrics": lambda: planhat.metrics,
        "planhat.user_activity": lambda: planhat.user_activity,
        "planhat.mirror": lambda: planhat.mirror,
        "planhat.outbox": lambda: planhat.outbox,
        "planhat.charts": lambda: planhat.charts,
        "planhat.batch()": lambda: planhat.batch(),
        "queryset": lambda: Account.objects.using(planhat).filter(name="A"),
        "mirrored": lambda: Account.objects.using(planhat).using("mirror"),
        "values": lambda: Account.objects.using(planhat).values("name"),
        "values_list": lambda: Account.objects.using(planhat).values_list("name", "mrr"),
        "group_by": lambda: Account.objects.using(planhat).group_by("phase"),
        "record": _record,
        "record.licenses": lambda: _record().licenses,
        "Q": lambda: Q(name="x"),
        "receiver": lambda: Receiver(planhat, secret="x" * 32),
    }
    made_by_us = (PlanhatError, Warning, Batch, BatchResult, Groups, Plan, RowResult, SaveResult, When, WritePlan)
    names = [
        name
        for name in planhat_orm.__all__
        if not (isinstance(value := getattr(planhat_orm, name), type) and issubclass(value, made_by_us))
    ]
    calls = [Call(name, lambda name=name: getattr(planhat_orm, name)) for name in names]  # type: ignore[misc]
    calls += [Call("Mirror", lambda: Mirror), Call("Receiver", lambda: Receiver)]
    for label, make in subjects.items():
        for name in dir(make()):
            if (
                not name.startswith("_")
                and name not in {*LEFT_OUT, *FOR_FLOWS.get(label, ())}
                and callable(getattr(make(), name, None))
            ):
                calls.append(Call(f"{label}.{name}", lambda make=make, name=name: getattr(make(), name)))  # type: ignore[misc]
    return [call for call in calls if callable(call.bound())]


LEFT_OUT = {"mro", "DoesNotExist", "MultipleObjectsReturned", "run", "iterate", "arun", "aiterate"}
"""What takes flows, and what is Python's own."""

FOR_FLOWS: dict[str, set[str]] = {
    "planhat": {"wrote", "removed", "notify", "source", "noting", "asked_at"},
    "planhat.batch()": {"hold", "hold_delete", "hold_rows", "take", "take_deletes", "unify"},
    "planhat.mirror": {"store", "remove", "holds", "pulled", "adopt", "sync", "noting", "asked_at"},
    "planhat.outbox": {
        "wrote", "reserve", "record", "mark", "acknowledge", "take_keys", "mark_conflicts", "rebase", "waiting_on", "aliases", "made_here",
        "entries", "claim", "send", "bottoms", "cancel", "succeed",
        "deleted", "withdraw",
    },
}  # fmt: skip
"""What the library's own flows call with values of their own."""


def arguments(call: Callable[..., Any], chance: random.Random) -> tuple[list[Any], dict[str, Any]]:
    """As many odd arguments as a signature takes, by place and by name."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return [], {}
    args: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in parameters:
        value = chance.choice(ODD)()
        match parameter.kind:
            case parameter.VAR_POSITIONAL:
                args += [chance.choice(ODD)() for _ in range(chance.randrange(3))]
            case parameter.VAR_KEYWORD:
                names = ("name", "mrr__gte", "id", "external_id", "custom", "nothing", "owner", "x y", "custom__Tier")
                named |= {name: chance.choice(ODD)() for name in chance.sample(names, chance.randrange(3))}
            case parameter.KEYWORD_ONLY:
                if parameter.default is parameter.empty or chance.random() < 0.5:
                    named[parameter.name] = value
            case _:
                if parameter.default is not parameter.empty and chance.random() < 0.4:
                    break
                args.append(value)
    return args, named


@contextmanager
def limited(seconds: float = SECONDS) -> Iterator[None]:
    """Raise `Hung` where what is inside takes too long."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def problem(call: Callable[..., Any], args: list[Any], named: dict[str, Any]) -> str:
    """What is wrong with how a call ended; empty where it returned, or raised an error of ours."""
    try:
        with limited():
            _use(call(*args, **named))
    except (PlanhatError, Given):
        return ""
    except Hung:
        return "it did not end"
    except BaseException as failure:
        return "" if _is_pythons_own(failure) else f"{type(failure).__name__}: {failure}"
    return ""


def _use(result: Any) -> None:
    """Read some of what came, and show it."""
    if inspect.iscoroutine(result):
        _use(asyncio.run(result))
    elif isinstance(result, Generator):
        for _ in zip(range(3), result, strict=False):
            pass
        result.close()
    elif isinstance(result, QuerySet):
        list(result[:3])
        repr(result)
    elif not isinstance(result, (Q, Expression)):  # they show what they were given, as deep as that is
        repr(result)


class InTasks:
    """What runs flows in tasks, over what runs them in threads."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def run(self, flow: Any) -> Any:
        return self._driver.run(flow)

    async def iterate(self, flow: Any) -> AsyncGenerator[Any, None]:
        for item in self._driver.iterate(flow):
            yield item

    async def close(self) -> None:
        self._driver.close()

    def drop(self) -> None:
        self._driver.close()


def _is_pythons_own(failure: BaseException) -> bool:
    """Whether Python raised it on calling: a wrong number of arguments, or a condition in the place of a flag."""
    trace = failure.__traceback__
    depth = 0
    while trace is not None:
        depth, trace = depth + 1, trace.tb_next
    return isinstance(failure, TypeError) and (depth == 1 or ("true" in str(failure) and "false" in str(failure)))
