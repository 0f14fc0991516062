"""The rules of undoing, broken one by one: the test that tells of each turns red."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planhat_orm.errors import PlanhatError

from . import test_revert as rules
from .conftest import Start
from .wrong_rules import WRONG

TOLD_BY: dict[str, Callable[[Start], None]] = {
    "theirs overwritten": lambda start: rules.test_what_others_changed_since_is_named_and_stays(start, False),
    "deleted with what hangs on it": rules.test_what_something_hangs_on_is_named,
    "changed by others and deleted": rules.test_what_was_made_and_changed_by_others_is_named,
    "made anew without keys": rules.test_a_key_that_another_record_has_by_now_is_named,
    "nothing deleted": rules.test_undoing_the_undoing_is_doing_it_again,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_rule_turns_its_test_red(start: Start, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    WRONG[wrong](monkeypatch)
    with pytest.raises((AssertionError, PlanhatError)):
        TOLD_BY[wrong](start)
