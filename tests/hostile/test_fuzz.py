"""Public callables with arguments that make little sense: an error of ours each time, and an end."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from planhat_orm import Company, Planhat, PlanhatError
from planhat_orm.http.clock import Clock

from ..fields.ways import Stored
from ..registry import no_clients
from ..scale import sized
from .fuzzing import InTasks, arguments, problem, public_calls

SLOW = ("sync", "a_sync", "doctor", "table", "backup", "export")
"""Calls that do much when they are taken: one turn in twenty."""


@pytest.fixture
def planhat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planhat]:
    monkeypatch.chdir(tmp_path)  # a call may write a file
    logging.disable(logging.CRITICAL)
    with no_clients():
        planhat = Planhat(
            "token",
            "tenant",
            api_url="https://tenant",
            calls_per_min=1e9,
            scan="allow",
            clock=Clock(1000),
            mirror="a.db",
        )
        server = Stored(planhat._session, Company)
        planhat._holdings.driver = server
        planhat._holdings._async_driver = InTasks(server)  # type: ignore[assignment]
        with planhat:
            yield planhat
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(0)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(sized(1, 20)))
def test_only_errors_of_ours_leave_a_public_function(planhat: Planhat, seed: int) -> None:
    chance = random.Random(seed)
    calls = public_calls(planhat)
    assert len(calls) > 300
    problems = []
    for turn in range(5_000):
        call = calls[turn % len(calls)]
        if call.name.rpartition(".")[2] in SLOW and chance.random() > 0.05:
            continue
        try:
            bound = call.bound()
        except PlanhatError:
            continue
        args, named = arguments(bound, chance)
        shown = f"{call.name}({', '.join(map(_shown, [*args, *named.items()]))})"
        if wrong := problem(bound, args, named):
            problems.append(f"{shown}: {wrong}")
    assert not problems, "\n".join([f"{len(problems)} problems", *problems[:40]])


def _shown(value: object) -> str:
    return type(value).__name__ if isinstance(value, (dict, list, tuple)) else f"{value!r:.60}"
