"""`planhat sync --every`, and `planhat status` for monitors."""

from __future__ import annotations

import json

import pytest
import typer

from planhat_orm.cli.service import JITTER, repeat
from planhat_orm.cli.spans import seconds
from planhat_orm.errors import ConfigurationError, MirrorError

from .conftest import Run


@pytest.mark.parametrize(("text", "length"), [("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400), ("0.5 H", 1800)])
def test_spans(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "5 weeks", "nan", "1e9d"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="90s, 5m, 2h or 1d"):
        seconds(text)


class Stop(Exception):
    """Ends a service that has no end."""


def test_a_service_goes_on_after_a_failure_and_keeps_its_time() -> None:
    rounds: list[float] = []

    def work() -> None:
        if len(rounds) % 2:
            raise MirrorError("The disk is full.")

    def sleep(pause: float) -> None:
        rounds.append(pause)
        if len(rounds) == 6:
            raise Stop

    with pytest.raises(Stop):
        repeat(work, 100, sleep=sleep)
    assert all(100 * (1 - JITTER) - 1 <= pause <= 100 * (1 + JITTER) for pause in rounds)


def test_a_wrong_setting_ends_a_service() -> None:
    def work() -> None:
        raise ConfigurationError("There is no token.")

    with pytest.raises(ConfigurationError):
        repeat(work, 1, sleep=lambda pause: pytest.fail("it went on"))


def test_status_for_monitors(synced: Run) -> None:
    done = synced("status", "--json", "--max-age", "1h")
    assert done.code == 0, done.err
    models = {model["model"]: model for model in json.loads(done.out)["models"]}
    assert set(models) == {"Company", "CustomField", "License"}
    assert (models["Company"]["complete"], models["Company"]["stale"]) == (True, False)
    late = synced("status", "--json", "--max-age", "0.001s")
    assert late.code == 3
    assert json.loads(late.out)["models"][0]["stale"] is True
    assert "Company" in late.err
    assert synced("status", "--max-age", "soon").code == 2
