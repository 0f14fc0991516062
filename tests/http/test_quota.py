"""The quota by hand: bursts, the minute, the server's headers, and 429."""

from __future__ import annotations

import random
from bisect import bisect_right

import pytest

from planhat_orm.http.effects import Request
from planhat_orm.http.quota import Quota

from .fast import Delivery, HandClock, answer

GET = Request("GET", "/companies", shape=list)
METRICS = Request("POST", "/dimensiondata/{tenant}", body=b"[]", host="analytics", auth="none", idempotent=False)


def used(quota: Quota, calls: int) -> None:
    for _ in range(calls):
        assert quota.reserve() == 0.0
        quota.release()


def test_a_burst_goes_at_once_up_to_a_hundred_and_fifty_in_a_second() -> None:
    clock = HandClock()
    quota = Quota(200, clock)
    used(quota, 150)
    assert 0 < quota.reserve() < 1
    clock.pass_by(1)
    used(quota, 50)
    assert 58 < quota.reserve() <= 59


def test_no_more_than_fifty_are_on_their_way_at_once() -> None:
    quota = Quota(200, HandClock())
    for _ in range(50):
        assert quota.reserve() == 0.0
    assert quota.reserve() > 0
    quota.release()
    assert quota.reserve() == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_no_minute_of_the_servers_clock_holds_more_calls_than_allowed(seed: int) -> None:
    """However long calls take, and whenever on their way they arrive."""
    rng = random.Random(seed)
    limit = rng.choice([1, 7, 60, 200])
    clock = HandClock()
    quota = Quota(limit, clock)
    on_their_way: list[float] = []
    arrivals: list[float] = []
    for _ in range(800):
        due = [end for end in on_their_way if end <= clock.now()]
        for end in due:
            on_their_way.remove(end)
            quota.release()
        if len(on_their_way) < 40 and quota.reserve() == 0.0:
            took = rng.choice([0.01, 0.5, 5.0, 50.0])
            arrivals.append(clock.now() + rng.uniform(0, took))
            on_their_way.append(clock.now() + took)
        clock.pass_by(rng.choice([0, 0, 0.01, 0.3, 2.0]))
    arrivals.sort()
    assert len(arrivals) > limit
    assert max(place - bisect_right(arrivals, at - 60.0) + 1 for place, at in enumerate(arrivals)) <= limit


@pytest.mark.parametrize("name", ["x-rate-limit-remaining", "x-ratelimit-remaining"])
def test_a_server_that_leaves_less_is_believed(name: str) -> None:
    clock = HandClock()
    quota = Quota(200, clock)
    assert quota.reserve() == 0.0
    quota.release({name: "3"})
    assert quota.budget() == 3
    clock.pass_by(1)
    used(quota, 3)
    assert quota.reserve() == 59
    clock.pass_by(60)
    assert quota.budget() == 200


@pytest.mark.parametrize("value", ["199", "1000", "", "many", "nan", "inf"])
def test_a_server_that_leaves_more_or_talks_nonsense_changes_nothing(value: str) -> None:
    quota = Quota(200, HandClock())
    used(quota, 10)
    assert quota.reserve() == 0.0
    quota.release({"x-rate-limit-remaining": value})
    assert quota.budget() == 189


def test_a_server_that_leaves_less_than_nothing_leaves_nothing() -> None:
    quota = Quota(200, HandClock())
    assert quota.reserve() == 0.0
    quota.release({"x-rate-limit-remaining": "-1e15"})
    assert quota.budget() == 0


@pytest.mark.parametrize(("calls_per_min", "first", "wait"), [(1, 1, 60), (0.5, 1, 120), (0.01, 1, 6000), (2.9, 2, 60)])
def test_few_calls_a_minute_may_be_a_fraction(calls_per_min: float, first: int, wait: float) -> None:
    quota = Quota(calls_per_min, HandClock())
    used(quota, first)
    assert quota.reserve() == pytest.approx(wait)


def test_many_calls_a_minute_are_only_held_to_the_hard_limit() -> None:
    clock = HandClock()
    quota = Quota(100_000, clock)
    sent = 0
    for _ in range(60):
        while quota.reserve() == 0.0:
            quota.release()
            sent += 1
        clock.pass_by(1)
    assert sent == 60 * 150


@pytest.mark.parametrize(("headers", "least", "most"), [({"retry_after": "20"}, 20, 20), ({}, 4, 8)])
def test_a_429_waits_for_everybody(headers: dict[str, str], least: float, most: float) -> None:
    clock = HandClock()
    waits: list[float] = []
    started = clock.now()

    class Watching(Quota):
        def block(self, seconds: float, *, is_guess: bool = False) -> None:
            super().block(seconds, is_guess=is_guess)
            waits.append(self.reserve())

    quota = Watching(200, clock)
    done = Delivery(GET, answer(429, b"Too many requests", **headers), answer(200, b"[]"), quota=quota)
    assert done.tries == 2
    assert least <= waits[0] <= most
    assert clock.now() - started == pytest.approx(waits[0])


def test_a_429_of_the_analytics_host_stops_nobody_else() -> None:
    quota = Quota(200, HandClock())
    flow = Delivery(METRICS, answer(429, retry_after="200"), answer(), retry=None)
    assert flow.tries == 2
    assert quota.reserve() == 0.0


def test_an_endless_retry_after_blocks_no_longer_than_the_deadline() -> None:
    clock = HandClock()
    quota = Quota(200, clock)
    Delivery(GET, answer(429, retry_after="86400"), quota=quota)
    assert quota.reserve() <= 300
