"""Models are synced one after the other, but with slow answers the first requests of the next ones are on their way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, Enduser, License, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.errors import AuthenticationError, MirrorError, RequestError
from planhat_orm.http.effects import Attempt, Request, Response, Start, Wait
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.report import Progress
from planhat_orm.mirror.sync import run
from planhat_orm.mirror.sync.in_turn import BEGUN
from planhat_orm.mirror.sync.paging import STEP

from .conftest import Near, _Near, mirror_rows, server_rows

MODELS = ["user", "company", "enduser", "license", "task", "ticket"]
SLOW = 0.5


class Slow(_Near):
    """A driver whose answers say that they took so long, and which notes what a flow asks for and waits for."""

    def __init__(self, near: Near, emulator: Emulator, seconds: float) -> None:
        super().__init__(near.session, emulator)
        self.seconds = seconds
        self.steps: list[str] = []

    def _perform(self, effect: Any) -> Any:
        if isinstance(effect, (Start, Request)):
            self.steps.append((effect.request if isinstance(effect, Start) else effect).path.strip("/"))
        if isinstance(effect, (Wait, Request)):
            self.steps.append("")
        return super()._perform(effect)

    def _send(self, attempt: Attempt) -> Response:
        return replace(super()._send(attempt), seconds=self.seconds)

    def asked_before(self, wait: int) -> list[str]:
        """The lists that were asked for before something was waited for so many times."""
        waits = [place for place, step in enumerate(self.steps) if not step]
        return list(dict.fromkeys(filter(None, self.steps[: waits[wait]])))


def slow(emulator: Emulator, seconds: float = SLOW) -> tuple[Near, Slow]:
    near = Near(emulator)
    near.driver = driver = Slow(near, emulator, seconds)
    return near, driver


def tenant(make_emulator: Callable[..., Emulator], **sizes: int) -> Emulator:
    return make_emulator(**{"companies": 30, "endusers": 60, "licenses": 30, "conversations": 0, "tasks": 20, **sizes})


def test_with_slow_answers_three_models_are_asked_for_while_another_is_read(
    make_emulator: Callable[..., Emulator], either: Mirror
) -> None:
    emulator = tenant(make_emulator)
    near, driver = slow(emulator)
    near(either.sync(MODELS))
    assert driver.asked_before(0) == ["users"], "nobody knows yet whether this server is there"
    assert driver.asked_before(1) == ["users", "companies", "endusers", "licenses"]
    assert BEGUN == 3
    assert len(driver.asked_before(-1)) == len(MODELS)
    for name in MODELS:
        assert mirror_rows(either, name).keys() == server_rows(emulator, name).keys()


def test_with_fast_answers_each_model_is_asked_for_in_its_turn(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    near, driver = slow(tenant(make_emulator), STEP / 2)
    near(mirror.sync(MODELS))
    assert driver.asked_before(1) == ["users"]


def test_it_takes_the_same_requests_and_says_the_same(
    make_emulator: Callable[..., Emulator], make_mirror: Callable[..., Mirror]
) -> None:
    emulator, reports = tenant(make_emulator), []
    for seconds in (STEP / 2, SLOW):
        near, mirror = slow(emulator, seconds)[0], make_mirror()
        for full in (False, False, True):
            emulator.log.clear()
            report = near(mirror.sync(MODELS, full=full))
            assert report.requests == len(emulator.log)
            phases = [(event.model, event.phase) for event in near.emitted if isinstance(event, Progress)]
            reports.append(([(item.model, *item.records, item.requests, *item.how) for item in report], phases))
            assert sum(item.seconds for item in report) <= report.seconds
    assert reports[:3] == reports[3:]


def test_a_model_that_is_refused_is_named_in_its_turn_and_the_others_are_read(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = tenant(make_emulator)
    near, driver = slow(emulator)
    answered = driver._send

    def send(attempt: Attempt) -> Response:
        if attempt.request.path == "/endusers":
            raise RequestError("No endusers today.")
        return answered(attempt)

    driver._send = send  # type: ignore[method-assign]
    with pytest.raises(RequestError, match="No endusers today") as error:
        near(mirror.sync(MODELS))
    assert error.value.__notes__ == ["The sync brought all models up to date but these: enduser."]
    driver._send = answered  # type: ignore[method-assign]
    for name in set(MODELS) - {"enduser"}:
        assert mirror_rows(mirror, name).keys() == server_rows(emulator, name).keys()


def test_an_error_before_the_first_request_of_a_model_is_raised_in_its_turn(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator, made = tenant(make_emulator), run._job

    def job(database: Any, name: str, *others: Any) -> Any:
        if name == "license":
            raise MirrorError("The disk is full.")
        return made(database, name, *others)

    monkeypatch.setattr(run, "_job", job)
    near, _ = slow(emulator)
    with pytest.raises(MirrorError, match="The disk is full") as error:
        near(mirror.sync(MODELS))
    assert any(entry.name == "job" for entry in error.traceback)
    for name in MODELS[:3]:
        assert mirror_rows(mirror, name).keys() == server_rows(emulator, name).keys()


def test_after_a_token_is_refused_nothing_more_is_asked_for(
    make_emulator: Callable[..., Emulator], tmp_path: Path
) -> None:
    emulator = tenant(make_emulator)
    emulator.faults.add("slow", delay=2 * STEP, times=None)
    with (
        Planhat(api_url=emulator.url, api_token="wrong", mirror=tmp_path / "mirror.db") as planhat,
        pytest.raises(AuthenticationError),
    ):
        planhat.sync()
    assert len({call.path for call in emulator.log}) == 1


@pytest.mark.parametrize("steps", range(1, 40, 3))
def test_a_sync_that_is_cut_off_anywhere_is_made_right_by_the_next(
    make_emulator: Callable[..., Emulator], mirror: Mirror, steps: int
) -> None:
    emulator = tenant(make_emulator)
    near, driver = slow(emulator)
    flow = driver.iterate(mirror.sync(MODELS))
    for _ in range(steps):
        if next(flow, None) is None:
            break
    flow.close()
    near(mirror.sync(MODELS))
    for name in MODELS:
        assert mirror_rows(mirror, name).keys() == server_rows(emulator, name).keys()
    deadline = time.monotonic() + 10
    while any(thread.name == "planhat-request" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a request that was given up is still there"
        time.sleep(0.01)


def test_a_record_that_is_saved_after_its_list_was_asked_for_stays_as_it_was_saved(
    make_emulator: Callable[..., Emulator], tmp_path: Path
) -> None:
    emulator = tenant(make_emulator)
    # The list is made when it is asked for, and comes when the record has been saved.
    emulator.faults.add("timeout_after", method="GET", delay=3 * STEP, times=None)
    with Planhat(api_url=emulator.url, api_token="test-token", mirror=tmp_path / "mirror.db") as planhat:
        saved: list[Any] = []

        def save(event: Progress) -> None:
            if event.model == "company" and event.phase == "reading" and not saved:
                assert emulator.log.count("GET", "/endusers"), "the next model is not asked for yet"
                enduser = next(iter(server_rows(emulator, "enduser").values()))
                saved.append(planhat.enduser.update(enduser["_id"], {"position": "Saved meanwhile"}))

        planhat.sync(Company, Enduser, License, progress=save)
        (answer,) = saved
        assert mirror_rows(planhat.mirror, "enduser")[answer["_id"]]["position"] == "Saved meanwhile"
