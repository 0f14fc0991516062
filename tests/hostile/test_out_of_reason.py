"""What a user asks out of reason: the same answer or the same error of ours from Planhat, both mirrors, threads and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Custom, Enduser, F, Planhat, PlanhatError, Q
from planhat_orm.emulator import Emulator
from planhat_orm.mirror.reading.sqlite import _MANY
from planhat_orm.query import patterns

from .fuzzing import limited

pytestmark = pytest.mark.filterwarnings("ignore::planhat_orm.errors.UnknownNameWarning")

WAYS = ("api", "api in a task", "sqlite", "sqlite in a task", "postgresql", "postgresql in a task")
LONG = "x" * 65_536
MANY = [f"v{number}" for number in range(100_000)]
ONES = [Q(name=f"v{number}") for number in range(1_000)]
ODDS = [~Q(name=f"v{number}") for number in range(1_000)]


class Account(Company):
    seats = Custom("Seats", float)


def _deep() -> Any:
    value: Any = "x"
    for _ in range(3_000):
        value = [value]
    return value


def _circle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def _chain(conditions: list[Q], join: Callable[[Q, Q], Q]) -> Q:
    chained = conditions[0]
    for condition in conditions[1:]:
        chained = join(chained, condition)
    return chained


def _nested() -> Q:
    """An odd and an even one in turn, which no flattening makes less deep."""
    nested = Q(name="A")
    for number in range(400):
        nested = ~(nested | Q(name=f"v{number}")) if number % 2 else ~(nested & Q(name=f"v{number}"))
    return nested


def _nested_well(inner: Q) -> Q:
    """As many levels as there may be, which change nothing."""
    for number in range(20):
        inner = inner | Q(name=f"v{number}") if number % 2 else inner & ~Q(name=f"v{number}")
    return inner


def _in_each_other() -> Q:
    inner = Q(name="A")
    for _ in range(1_500):
        inner = Q(inner)
    return inner


CASES: dict[str, Callable[[Any], Any]] = {
    "a name of 64 kB": lambda all: all.filter(name=LONG),
    "an id of 64 kB": lambda all: all.filter(id=LONG),
    "a foreign id of 64 kB": lambda all: all.filter(owner_id=LONG),
    "an external id of 64 kB": lambda all: all.filter(external_id__in=[LONG, "a"]),
    "a surrogate": lambda all: all.filter(name="\ud83d"),
    "a surrogate in an id": lambda all: all.filter(id="\ud83d"),
    "a surrogate in a list": lambda all: all.filter(tags__overlap=["\ud83d", "a"]),
    "a surrogate in a pattern": lambda all: all.filter(name__regex="[\ud83d]"),
    "a slice without end": lambda all: all[: 10**30],
    "a slice from beyond": lambda all: all[10**30 :],
    "a slice beyond 64 bits": lambda all: all[2**63 : 2**64],
    "1,000 conditions": lambda all: all.filter(_chain(ODDS, lambda left, right: left & right)),
    "1,000 conditions as arguments": lambda all: all.filter(*ODDS),
    "1,000 filters": lambda all: _filters(all, 1_000),
    "1,000 alternatives": lambda all: all.filter(_chain([*ONES, Q(name="A")], lambda left, right: left | right)),
    "400 levels": lambda all: all.filter(_nested()),
    "20 levels": lambda all: all.filter(_nested_well(Q(name="A"))),
    "20 levels, of contacts": lambda all: all.filter(_nested_well(Q(endusers__email__startswith="aaa"))),
    "20 levels, of custom fields": lambda all: all.exclude(_nested_well(Q(custom__Other="v7"))),
    "1,500 conditions in each other": lambda all: all.filter(_in_each_other()),
    "overlap with 100,000 values": lambda all: all.filter(tags__overlap=[*MANY, "a"]),
    "overlap with a few more than a list of bindings": lambda all: all.filter(tags__overlap=[*MANY[: 5 * _MANY], "a"]),
    "overlap of references with many": lambda all: all.filter(collaborator_ids__overlap=MANY[: 5 * _MANY]),
    "one of many names": lambda all: all.filter(name__in=[*MANY[:20_000], "A"]),
    "none of many names": lambda all: all.exclude(name__in=MANY[:20_000]),
    "one of many custom values": lambda all: all.filter(custom__Other__in=[*MANY[:5_000], 5, True]),
    "one of many worked-out values": lambda all: all.annotate(half=F("custom__Other")).filter(half__in=[*MANY[:2_000], 5]),
    "one of many numbers": lambda all: all.filter(mrr__in=range(20_000)),
    "the first moment": lambda all: all.filter(created_at__gt=datetime.min.replace(tzinfo=UTC)),
    "the last moment": lambda all: all.filter(created_at__lt=datetime.max.replace(tzinfo=UTC)),
    "before the first moment": lambda all: all.filter(created_at__gt=datetime.min.replace(tzinfo=_east())),
    "the last day": lambda all: all.filter(renewal_date__lte=date.max),
    "the first day": lambda all: all.filter(renewal_date__gte=date.min),
    "days without end": lambda all: all.annotate(later=F("renewal_date") + 10**12).filter(later__gt=date(2026, 1, 1)),
    "a year out of reason": lambda all: all.filter(renewal_date__year=10**18),
    "a number beyond doubles": lambda all: all.filter(mrr__gt=10**400),
    "a number beyond 64 bits": lambda all: all.filter(mrr__lt=2**70),
    "not a number": lambda all: all.filter(mrr=float("nan")),
    "infinity": lambda all: all.filter(mrr__lt=float("inf")),
    "a deep value": lambda all: all.filter(name=_deep()),
    "a deep list": lambda all: all.filter(tags__overlap=_deep()),
    "a circular value": lambda all: all.filter(custom__Other=_circle()),
    "a circular list": lambda all: all.filter(name__in=_circle()),
    "a pattern that backtracks": lambda all: all.filter(name__regex=r"(a|a)*$"),
    "a pattern that backtracks, in any case": lambda all: all.filter(name__iregex=r"(A|a|aa)+$"),
    "a pattern that backtracks in a custom field": lambda all: all.filter(custom__Other__regex=r"(a|aa)+$"),
    "a pattern that backtracks, of contacts": lambda all: all.filter(endusers__email__regex=r"(a|aa)+$"),
    "a deep pattern": lambda all: all.filter(name__regex="(" * 5_000 + ")" * 5_000),
    "a pattern of 64 kB": lambda all: all.filter(name__regex=LONG),
    "repeats out of reason": lambda all: all.filter(name__regex="((a{1000}){1000}){1000}"),
    "a repeat of many digits": lambda all: all.filter(name__regex="a{" + "9" * 5_000 + "}"),
    "what only another library knows": lambda all: all.filter(name__regex=r"\p{L}"),
    "a fuzzy pattern": lambda all: all.filter(name__regex="(?:A){e<=1}"),
    "a pattern that makes sense": lambda all: all.filter(name__regex=r"^(?=.*[A-Z])[^\d\W]{1,3}$"),
    "a pattern for any case": lambda all: all.filter(name__iregex=r"^ÄÖ+$"),
}  # fmt: skip


def _east() -> Any:
    from datetime import timezone

    return timezone(timedelta(hours=14))


def _filters(all: Any, count: int) -> Any:
    for condition in ODDS[:count]:
        all = all.filter(condition)
    return all


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.1)


RECORDS: list[dict[str, Any]] = [
    {"name": "A", "tags": ["a"], "mrr": 5, "renewalDate": "2026-01-31T00:00:00.000Z", "custom": {"Other": 5}},
    {"name": "äöÖ", "tags": ["b", "v7"], "mrr": 1e18, "custom": {"Other": "v7"}},
    {"name": "a" * 60 + "!", "tags": [], "custom": {"Other": "a" * 60 + "!"}},
]


@pytest.fixture(scope="module")
def tenant() -> Iterator[Emulator]:
    with Emulator(0) as emulator:
        for number, record in enumerate(RECORDS):
            emulator.store.create("company", {**record, "_id": f"65f0c1a2b3d4e5f60700100{number}"})
        company = f"65f0c1a2b3d4e5f60700100{2}"
        emulator.store.create("enduser", {"email": "a" * 60 + "!@new.example", "companyId": company})
        yield emulator


@pytest.fixture(scope="module")
def clients(
    tenant: Emulator, tmp_path_factory: pytest.TempPathFactory, postgres: Callable[[], str]
) -> Iterator[dict[str, Planhat]]:
    path: Path = tmp_path_factory.mktemp("mirror") / "planhat.db"
    made = {
        name: Planhat(
            "test-token", api_url=tenant.url, calls_per_min=1_000_000, scan="allow", custom="warn", mirror=where
        )
        for name, where in (("sqlite", str(path)), ("postgresql", postgres()))
    }
    for planhat in made.values():
        planhat.sync(Company, Enduser)
    yield {**made, "api": made["sqlite"]}
    for planhat in made.values():
        planhat.close()


def outcome(planhat: Planhat, way: str, ask: Callable[[Any], Any]) -> str:
    """The names that were found, or the error."""
    source = "api" if way.startswith("api") else "mirror"
    try:
        with limited(60):
            asked = ask(Account.objects.using(planhat).using(source).order_by("id"))
            rows = asyncio.run(_in_a_task(asked)) if way.endswith("task") else list(asked)
    except PlanhatError as error:
        assert len(str(error)) < 1_000, "what was given is not printed whole"
        return type(error).__name__
    return ", ".join(row.name[:3] for row in rows)


async def _in_a_task(asked: Any) -> list[Any]:
    return [row async for row in asked]


@pytest.mark.parametrize("case", CASES)
def test_every_way_gives_the_same_answer_or_error(clients: dict[str, Planhat], case: str) -> None:
    ways = WAYS[::2] if "many" in case or "100,000" in case else WAYS
    outcomes = {way: outcome(clients[way.partition(" ")[0]], way, CASES[case]) for way in ways}
    assert len(set(outcomes.values())) == 1, outcomes


EXPECTED = {
    "1,000 conditions": "A, äöÖ, aaa",
    "1,000 filters": "A, äöÖ, aaa",
    "1,000 alternatives": "A",
    "20 levels": "A",
    "20 levels, of contacts": "aaa",
    "20 levels, of custom fields": "A, aaa",
    "1,500 conditions in each other": "FieldError",
    "overlap with 100,000 values": "A, äöÖ",
    "one of many names": "A",
    "one of many custom values": "A, äöÖ",
    "one of many worked-out values": "A, äöÖ",
    "a pattern that backtracks": "ValidationError",
    "a pattern that backtracks, of contacts": "ValidationError",
    "repeats out of reason": "ValidationError",
    "a fuzzy pattern": "ValidationError",
    "a pattern that makes sense": "A",
    "a pattern for any case": "äöÖ",
}


@pytest.mark.parametrize("case", EXPECTED)
def test_what_it_is(clients: dict[str, Planhat], case: str) -> None:
    assert outcome(clients["sqlite"], "sqlite", CASES[case]) == EXPECTED[case]
