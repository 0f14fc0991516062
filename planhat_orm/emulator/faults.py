"""Bad weather by rule: which calls it meets, and what becomes of them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from ..errors import ConfigurationError
from ..forks import Lock
from ..names import did_you_mean

Kind = Literal[
    "status", "reset_before", "reset_after", "slow", "timeout_after", "late", "truncated", "cut_json", "empty",
    "html", "wrong_shape", "rate_limit",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
EXPLAINED: dict[Kind, str] = {
    "status": "Answers with this status, and does nothing.",
    "rate_limit": "Answers 429, as above the quota, and does nothing.",
    "reset_before": "Closes the connection before anything is done.",
    "reset_after": "Does the work, then closes the connection without an answer: was it stored?",
    "slow": "Waits for the delay, and answers well.",
    "timeout_after": "Does the work, and holds the answer for the delay: the client gives up first.",
    "late": "Does the work only after the delay, whether the client still waits or not.",
    "truncated": "Closes the connection in the middle of the answer.",
    "cut_json": "Sends half of the JSON as if it were all.",
    "empty": "Does the work, and answers well without a body.",
    "html": "Answers 200 with a page instead of JSON, as a proxy does.",
    "wrong_shape": "Answers 200 with JSON of another shape.",
}
"""What becomes of a call that a fault meets."""
_WINDOW = 60.0
_NOT_DONE = ("status", "reset_before", "html", "rate_limit")


@dataclass(slots=True)
class Fault:
    """A rule: it passes over the first `after` matching calls, then meets `times` of them (None: all).

    `path` is a path that covers everything below it, or a regular expression. `done` says whether the
    server does the work all the same; the default follows the kind. With `calls_per_min` it meets only calls
    above so many in sixty seconds of the emulator's clock.

    What each kind does stands in `EXPLAINED`. Seconds are the wall's.
    """

    kind: Kind
    method: str | None = None
    path: str | None = None
    times: int | None = 1
    after: int = 0
    status: int = 500
    retry_after: float | None = None
    delay: float = 30.0
    done: bool | None = None
    calls_per_min: int | None = None
    met: int = field(default=0)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigurationError(f"There is no kind of fault {self.kind!r}.{did_you_mean(str(self.kind), KINDS)}")
        if self.path is not None:
            try:
                re.compile(self.path)
            except re.error as error:
                raise ConfigurationError(f"The path {self.path!r} is not a regular expression: {error}.") from None

    @property
    def does_the_work(self) -> bool:
        """Whether the call has its effect."""
        return self.kind not in _NOT_DONE if self.done is None else self.done

    def covers(self, method: str, path: str) -> bool:
        """Tell whether a call is one of those meant."""
        if self.method is not None and self.method.upper() != method:
            return False
        return self.path is None or re.fullmatch(f"(?:{self.path})(?:/.*)?", path) is not None

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as JSON can hold it."""
        return asdict(self)


class Faults:
    """The rules in force. The first that covers a call and is not used up meets it. Safe from any thread."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._passed: dict[int, deque[float]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, kind: Kind = "status", **options: Any) -> Fault:
        """Add a rule: `faults.add(kind="reset_after", method="PUT", path="/companies")`. Options as `Fault` has."""
        unknown = options.keys() - Fault.__dataclass_fields__.keys()
        if unknown:
            name = min(unknown)
            raise ConfigurationError(f"Faults have no {name!r}.{did_you_mean(name, Fault.__dataclass_fields__)}")
        fault = Fault(kind, **options)
        with self._lock:
            self._rules.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules.clear()
            self._passed.clear()

    def rules(self) -> list[Fault]:
        """Return the rules, used up ones too."""
        with self._lock:
            return list(self._rules)

    def take(self, method: str, path: str, now: float) -> Fault | None:
        """Return the rule that meets this call at `now` of the emulator's clock, and count it."""
        with self._lock:
            for fault in self._rules:
                if not fault.covers(method, path):
                    continue
                if fault.calls_per_min is not None and self._within(fault, now):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                elif fault.times is None or fault.met < fault.times:
                    fault.met += 1
                    return fault
        return None

    def _within(self, fault: Fault, now: float) -> bool:
        """Count a call against a rule's rate, and tell whether it is below it."""
        passed = self._passed.setdefault(id(fault), deque())
        while passed and passed[0] <= now - _WINDOW:
            passed.popleft()
        if len(passed) >= (fault.calls_per_min or 0):
            return False
        passed.append(now)
        return True


def read_fault(body: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the text values of a form into the options of a rule; empty ones are left out."""
    numbers = {
        "times": int, "after": int, "status": int, "retry_after": float, "delay": float, "calls_per_min": int,
    }  # fmt: skip
    options: dict[str, Any] = {}
    for key, value in body.items():
        if key == "times" and value in ("all", None):
            options[key] = None
        elif value not in ("", None):
            try:
                options[key] = numbers[key](value) if key in numbers else value
            except (TypeError, ValueError):
                raise ConfigurationError(f"{key} must be a number, not {value!r}.") from None
    return options
