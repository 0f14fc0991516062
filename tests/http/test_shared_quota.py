"""One quota of several processes: the real book and its real holders, in a world on a virtual clock."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from statistics import mean
from typing import Any

import msgspec
import pytest

from planhat_orm.http.effects import Request
from planhat_orm.http.quota_book import LASTS, LATEST, Book, Grant, Report, Tick
from planhat_orm.http.shared_quota import BookUnreachable, SharedQuota
from tests.scale import LONG, sized

from .fast import Delivery, HandClock, answer
from .quota_mutants import BAD, JUMPS, OVERSPEND, BelievesNewcomers, CountsItselfOnly, SpendsForEver, Unfair
from .quota_world import World

GET = Request("GET", "/companies", shape=list)
FAULTS = {"crash": 1.0, "cut": 0.3}
WORLDS: dict[str, tuple[float, dict[str, Any]]] = {
    "one process": (0.98, {"workers": 1}),
    "four": (0.98, {"workers": 4}),
    "sixteen": (0.98, {"workers": 16}),
    "four, long calls": (0.85, {"workers": 4, "slow": 4.0, "parallel": 40}),
    "one that dies": (0.7, {"workers": 1, **FAULTS}),
    "four that die": (0.9, {"workers": 4, **FAULTS}),
    "sixteen that die": (0.95, {"workers": 16, **FAULTS}),
    "a clock that jumps": (0.7, {"workers": 16, "jump": 0.5, **FAULTS}),
    "a database that forgets": (0.4, {"workers": 8, "failover": 0.2, **FAULTS}),
    "processes that stand still": (0.6, {"workers": 8, "freeze": 1.0, "slow": 1.0}),
    "faults twice as often": (0.5, JUMPS),
}
"""Each with the least part of the quota that must be made use of."""
SOME = ("four that die", "a clock that jumps", "a database that forgets", "processes that stand still")
OTHER_SERVERS: dict[str, tuple[float, dict[str, Any]]] = {
    **{
        f"a window of {window:.0f} s, {headers}": (0.85, {"mode": "fixed", "window": window, "headers": headers})
        for window in (60.0, 90.0, 120.0)
        for headers in ("none", "remaining", "reset")
    },
    **{f"another program, {headers}": (0.95, {"foreign": 60.0, "headers": headers}) for headers in ("none", "reset")},
}


@pytest.mark.parametrize("name", WORLDS if LONG else SOME)
def test_no_minute_of_the_server_holds_more_than_the_quota_whatever_happens_to_its_holders(name: str) -> None:
    least, options = WORLDS[name]
    options = {"minutes": sized(5.0, 15.0), **options}
    worlds = [World(seed=seed, **options).run() for seed in range(sized(1, 12))]
    assert max(world.worst for world in worlds) <= 200
    assert mean(world.use for world in worlds) >= sized(0.75 * least, least)
    assert max(world.transactions / world.now for world in worlds) < 8


@pytest.mark.torture
@pytest.mark.parametrize("name", OTHER_SERVERS)
def test_a_server_that_counts_otherwise_is_made_good_use_of(name: str) -> None:
    least, options = OTHER_SERVERS[name]
    worlds = [World(workers=8, minutes=30, seed=seed, **options).run() for seed in range(4)]
    assert max(world.worst for world in worlds) <= 200
    assert mean(world.use for world in worlds) >= least


@pytest.mark.parametrize("name", OVERSPEND if LONG else ("each machine's own clock", "the dead are forgotten"))
def test_a_book_with_one_rule_less_spends_too_much(name: str) -> None:
    assert any(World(seed=seed, **OVERSPEND[name]).run().worst > 200 for seed in range(sized(1, 6)))


@pytest.mark.torture
def test_a_book_that_believes_newcomers_spends_too_much() -> None:
    options: dict[str, Any] = {"workers": 4, "crash": 6.0, "slow": 1.0, "jump": 3.0, "minutes": 8}
    assert any(World(seed=seed, book=BelievesNewcomers, **options).run().worst > 200 for seed in range(6))
    assert all(World(seed=seed, **options).run().worst <= 200 for seed in range(6))


@pytest.mark.torture
def test_a_book_that_takes_its_holders_for_strangers_wastes_the_quota() -> None:
    assert World(workers=8, minutes=8, book=CountsItselfOnly).run().use < 0.9
    assert World(workers=8, minutes=8).run().use > 0.98


@pytest.mark.torture
def test_a_book_that_owes_nothing_starves_those_who_come_later() -> None:
    join: dict[str, Any] = {"workers": 8, "load": "join", "minutes": 8}
    assert mean(World(seed=seed, book=Unfair, **join).run().fairness for seed in range(3)) < 0.6
    assert mean(World(seed=seed, **join).run().fairness for seed in range(3)) > 0.7


@pytest.mark.torture
def test_four_processes_one_of_which_is_killed_are_as_fast_as_one() -> None:
    alone = [World(workers=1, jobs=2000, seed=seed, minutes=60).run() for seed in range(4)]
    four = [World(workers=4, jobs=2000, seed=seed, minutes=60, kill_at=270.0).run() for seed in range(4)]
    assert max(world.worst for world in four) <= 200
    assert max(world.finished_at or 1e9 for world in four) <= 1.1 * mean(world.finished_at or 0 for world in alone)


def test_the_worlds_know_what_they_break() -> None:
    assert BAD["crash"] and JUMPS["jump"] and all(options.get("minutes") for options in OVERSPEND.values())


# --- by hand --------------------------------------------------------------------------------------------


class Hand(HandClock):
    """A clock that stands until it is told to move, its uptime too."""

    def uptime(self) -> float:
        return self.time


class Keeper:
    """A book in memory, which may be unreachable, or not be there."""

    def __init__(self, clock: Hand) -> None:
        self.book: Book | None = Book()
        self.clock, self.asked, self.is_down = clock, 0, False
        self.jumped, self.started = 0.0, "1"
        self.is_steady = True

    def ask(self, report: Report, now: Callable[[], float]) -> Grant | None:
        self.asked += 1
        if self.is_down:
            raise BookUnreachable("it is locked.")
        if self.book is None:
            return None
        book = msgspec.json.decode(msgspec.json.encode(self.book), type=Book)
        tick = Tick(
            clock=self.clock.time + self.jumped, read=now(), started=self.started, is_steady=self.is_steady
        )  # fmt: skip
        grant = book.ask(report, tick)
        self.book = book
        return grant

    def close(self) -> None:
        pass


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def keeper(clock: Hand) -> Keeper:
    return Keeper(clock)


@pytest.fixture
def holder(clock: Hand, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SharedQuota]:
    monkeypatch.setattr(SharedQuota, "_be_tended", lambda self: None)
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    return lambda limit=200, kind=SharedQuota: kind(limit, clock, keeper)


def calls(quota: SharedQuota, most: int = 1000, *, answered: bool = True) -> int:
    """How many calls may go at once, each after what a request does before it."""
    count = 0
    while count < most:
        if quota.must_ask():
            quota.ask()
        if quota.reserve():
            break
        count += 1
        if answered:
            quota.release({})
    return count


def test_two_holders_share_what_one_had_and_a_database_is_not_asked_for_each_call(
    holder: Callable[..., SharedQuota], keeper: Keeper, clock: Hand
) -> None:
    first, second = holder(), holder()
    assert calls(first, 120) == 120 and keeper.asked <= 12
    clock.pass_by(1.1)
    got = calls(second)
    clock.pass_by(1.0)
    assert 190 <= 120 + got + calls(first) + calls(second) <= 200
    clock.pass_by(61)
    assert calls(second, 100) + calls(first, 100) >= 150


def test_what_was_not_spent_in_time_is_not_spent(holder: Callable[..., SharedQuota], clock: Hand) -> None:
    for kind in (SharedQuota, SpendsForEver):
        quota = holder(kind=kind)
        calls(quota, 20)
        assert quota._permits > 0
        quota._turn = object()  # by another thread, whose database does not answer
        clock.pass_by(LASTS - 0.1)
        assert quota.reserve() == 0.0
        clock.pass_by(0.2)
        assert (quota.reserve() > 0.0) == (kind is SharedQuota)


def test_what_a_killed_process_held_comes_back_when_the_server_must_have_forgotten_it(
    holder: Callable[..., SharedQuota], clock: Hand
) -> None:
    dead, other = holder(50), holder(50)
    assert calls(dead, 30, answered=False) == 30
    held = 30 + dead._permits
    assert calls(other) == 50 - held
    clock.pass_by(61)
    assert calls(other) == 50 - held
    clock.pass_by(LASTS + LATEST + 10)
    assert calls(other) == 50


def test_whoever_is_heard_of_again_has_what_it_has(holder: Callable[..., SharedQuota], clock: Hand) -> None:
    slow, other = holder(50), holder(50)
    assert calls(slow, 10, answered=False) == 10
    clock.pass_by(LASTS + 1)
    assert calls(other) < 40
    for _ in range(10):
        slow.release({})
    slow.give_back()
    clock.pass_by(61.5)
    assert calls(other) == 50, "its calls count until a minute after their answers, as those of others do"


def test_a_client_that_is_closed_leaves_nothing_behind(holder: Callable[..., SharedQuota], clock: Hand) -> None:
    first, second = holder(), holder()
    calls(first, 100)
    assert first._permits > 0
    first.give_back()
    assert first._permits == 0
    clock.pass_by(1.1)
    assert calls(second) == 100


def test_what_is_idle_is_given_back_and_what_is_on_its_way_is_renewed(
    holder: Callable[..., SharedQuota], clock: Hand, keeper: Keeper
) -> None:
    quota = holder()
    calls(quota, 20)
    assert quota.tend() is not None and quota._permits > 0
    clock.pass_by(3)
    assert quota.tend() is not None and quota._permits == 0
    assert quota.tend() is None
    calls(quota, 1, answered=False)
    for _ in range(10):
        clock.pass_by(4)
        quota.tend()
    assert keeper.book is not None and not any(charge.is_lost for charge in keeper.book.charges)


def test_a_child_takes_a_part_of_its_own(holder: Callable[..., SharedQuota], keeper: Keeper) -> None:
    quota = holder()
    calls(quota, 20)
    had = quota._holder
    quota._start_over()
    assert quota._permits == 0 and quota._holder != had
    assert calls(quota, 1) == 1
    assert keeper.book is not None and len(keeper.book.holders) == 2


@pytest.mark.parametrize("left", [0, 30])
def test_a_server_that_leaves_less_is_believed_by_all(
    holder: Callable[..., SharedQuota], clock: Hand, left: int
) -> None:
    first, second = holder(), holder()
    calls(first, 1, answered=False)
    first.release({"x-rate-limit-remaining": str(left)})
    first.give_back()
    assert left - 2 <= calls(second) <= left
    clock.pass_by(61)
    assert calls(second, 100) == 100


def test_a_429_stops_all_and_one_tries_first(holder: Callable[..., SharedQuota], clock: Hand) -> None:
    first, second = holder(), holder()
    calls(first, 1, answered=False)
    first.release({})
    first.block(20)
    assert first.must_ask()
    first.ask()
    assert calls(second) == 0
    clock.pass_by(20.1)
    assert calls(second, answered=False) == 1
    assert calls(first) == 0
    second.release({"x-rate-limit-remaining": "150"})
    clock.pass_by(5.1)
    assert calls(second, 50) == 50


def test_a_request_tells_the_others_of_a_429_before_it_waits(holder: Callable[..., SharedQuota]) -> None:
    first, second = holder(), holder()
    done = Blocking(GET, answer(429, retry_after="20"), answer(200, b"[]"), quota=first, beside=second)
    assert done.tries == 2 and done.beside == 0


class Blocking(Delivery):
    """A request during whose wait another holder looks whether it may send."""

    def __init__(self, *arguments: Any, quota: SharedQuota, beside: SharedQuota) -> None:
        self._second, self.beside = beside, -1
        passing = quota.clock.pass_by  # type: ignore[attr-defined]

        def pass_by(seconds: float) -> None:
            if seconds > 1:
                self.beside = calls(self._second)
            passing(seconds)

        quota.clock.pass_by = pass_by  # type: ignore[attr-defined]
        super().__init__(*arguments, quota=quota)


# --- a database that is not there -----------------------------------------------------------------------


def test_without_a_mirror_a_process_has_the_quota_for_itself_until_there_is_one(
    holder: Callable[..., SharedQuota], keeper: Keeper, clock: Hand
) -> None:
    quota, keeper.book = holder(), None
    assert calls(quota, 60) == 60
    keeper.book = Book()
    clock.pass_by(2)
    assert calls(quota, 1) == 1
    clock.pass_by(2)
    assert calls(holder()) <= 139


def test_a_book_that_cannot_be_asked_leaves_each_an_equal_share_and_is_said_once(
    holder: Callable[..., SharedQuota], keeper: Keeper, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    four = [holder() for _ in range(4)]
    for quota in four * 2:
        calls(quota, 3)
        clock.pass_by(1)
    clock.pass_by(LASTS)
    keeper.is_down = True
    with caplog.at_level(logging.WARNING, "planhat_orm"):
        assert sum(calls(quota) for quota in four) + 24 <= 200
        assert all(calls(quota) == 0 for quota in four)
        clock.pass_by(LASTS + 1)
        for quota in four:
            calls(quota)
    assert len(caplog.records) == 4 and "it is locked" in caplog.text and "keeps to 50 calls" in caplog.text
    keeper.is_down = False
    clock.pass_by(LASTS + 1)
    for quota in four:
        calls(quota)
    assert keeper.book is not None
    assert sum(charge.calls for charge in keeper.book.charges if not charge.is_lost) >= 176, (
        "they are told of after all"
    )


# --- a clock that jumps ---------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [3600.0, -45.0, 90.0])
def test_a_clock_that_jumps_frees_nothing(
    holder: Callable[..., SharedQuota], keeper: Keeper, clock: Hand, jump: float
) -> None:
    keeper.is_steady = False
    quota = holder()
    assert calls(quota) == 150
    clock.pass_by(1.1)
    assert calls(quota) == 50
    clock.pass_by(3)
    keeper.jumped = jump
    assert calls(holder()) == 0 and calls(quota) == 0
    clock.pass_by(30)
    assert calls(quota) == 0
    clock.pass_by(61 if jump < 0 else 31)
    assert calls(quota) >= 150


def test_a_newcomer_does_not_wait_where_little_is_used(
    holder: Callable[..., SharedQuota], keeper: Keeper, clock: Hand
) -> None:
    keeper.is_steady = False
    first = holder()
    assert calls(first, 20) == 20
    first.give_back()
    clock.pass_by(2)
    assert calls(holder(), 50) == 50


def test_a_database_that_started_anew_grants_nothing_until_what_it_forgot_is_over(
    holder: Callable[..., SharedQuota], keeper: Keeper, clock: Hand
) -> None:
    quota = holder()
    assert calls(quota, 5) == 5
    quota.give_back()
    keeper.started = "2"
    assert calls(quota) == 0
    clock.pass_by(LASTS + LATEST + 59)
    assert calls(quota) == 0
    clock.pass_by(2)
    assert calls(quota, 20) == 20


def test_the_end_of_one_question_does_not_take_the_turn_of_the_next(
    holder: Callable[..., SharedQuota], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two are on their way at once, each without what the other is granted."""
    quota = holder()
    end = quota.end
    monkeypatch.setattr(quota, "end", lambda report, grant: (end(report, grant), quota.begin()))  # by another thread
    quota.ask()
    assert not quota.must_ask() and quota.begin() is None


def test_a_question_that_ctrl_c_cuts_off_can_be_asked_again(
    holder: Callable[..., SharedQuota], keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = holder(50)

    def interrupted(report: Report, now: Callable[[], float]) -> Grant:
        Keeper.ask(keeper, report, now)
        raise KeyboardInterrupt

    monkeypatch.setattr(keeper, "ask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quota.ask()
    monkeypatch.undo()
    monkeypatch.setattr(quota, "_be_tended", lambda: None)
    assert calls(quota) == 50, "what was granted and not heard of is granted again"
