"""The collector is paused while pages are made, and never for longer."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planhat_orm import Company, Planhat, gc_pause
from planhat_orm.emulator import Emulator
from planhat_orm.mirror.db.stored_record import StoredRecord


@pytest.fixture(autouse=True)
def on() -> Iterator[None]:
    yield
    gc.enable()


def test_it_is_on_again_whatever_happens() -> None:
    with gc_pause.gc_paused(), gc_pause.gc_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError), gc_pause.gc_paused():
        raise ValueError
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    with gc_pause.gc_paused():
        pass
    assert not gc.isenabled()


def test_a_second_thread_keeps_it_off_for_no_longer_than_the_first() -> None:
    inside, leave = threading.Event(), threading.Event()

    def second() -> None:
        with gc_pause.gc_paused():
            inside.set()
            leave.wait(20)

    other = threading.Thread(target=second)
    with gc_pause.gc_paused():
        other.start()
        inside.wait(20)
        assert not gc.isenabled()
    assert gc.isenabled()
    leave.set()
    other.join()
    assert gc.isenabled()


def watched(seen: list[bool], call: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*given: Any, **named: Any) -> Any:
        seen.append(gc.isenabled())
        return call(*given, **named)

    return noted


def test_pages_of_the_api_and_of_the_mirror_are_made_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Emulator(companies=5) as emulator,
        Planhat(api_token="test-token", api_url=emulator.url, mirror=tmp_path / "m.db") as planhat,
    ):
        planhat.sync(Company)
        seen: list[bool] = []
        monkeypatch.setattr(msgspec.json, "decode", watched(seen, msgspec.json.decode))
        assert len(list(Company.objects.using(planhat))) == 5
        monkeypatch.undo()
        assert seen and not any(seen)
        seen.clear()
        monkeypatch.setattr("planhat_orm.mirror.reading.decoding.StoredRecord", watched(seen, StoredRecord))
        assert len(list(Company.objects.using(planhat).using("mirror"))) == 5
        assert seen and not any(seen)
        assert gc.isenabled()
