"""Undoing with one rule broken: each is to turn tests red."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planhat_orm.models.results import BatchResult
from planhat_orm.writes import revert, revert_checks, revert_plan

WRONG: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "theirs overwritten": lambda patch: patch.setattr(revert, "_is_held", lambda now, wrote: True),
    "deleted with what hangs on it": lambda patch: patch.setattr(revert_checks, "_holders", lambda found, going: []),
    "changed by others and deleted": lambda patch: patch.setattr(revert_checks, "_is_as_made", lambda *arguments: True),
    "made anew without keys": lambda patch: patch.setattr(revert._Planner, "_give_keys", _no_flow),
    "nothing deleted": lambda patch: patch.setattr(revert_plan.RevertPlan, "_delete", _nothing),
}


def _no_flow(*arguments: Any) -> Any:
    return
    yield


def _nothing(*arguments: Any) -> Any:
    return BatchResult()
    yield
