"""Regular expressions of filters: Python's language, searched for at most so long.

Python's own `re` cannot be stopped: `(a|a)*$` on sixty letters takes years. The package `regex` reads the same language
and stops in time. What it knows beyond `re` is refused, so that a filter means the same to whoever reads it. Where case
is ignored they differ in two letters of Turkish: here the i without a dot is the small one of I, and the I with a dot
the large one of i; `re` takes all four for one letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..errors import ValidationError
from ..names import quoted

SECONDS = 1.0
"""Seconds of this process for one value."""
LONGEST = 10_000
"""Characters of a pattern."""
_MOST_REPEATS = 1_000_000
_BRACES = re.compile(r"\\.|\{([^{}]*)\}", re.DOTALL)
_REPEATS = re.compile(r"(\d*)(,?)(\d*)")


def check_pattern(pattern: str) -> None:
    """Raise `ValueError`, which says what is needed, for what is no pattern or one beyond reason."""
    if len(pattern) > LONGEST:
        raise ValueError(f"a regular expression of at most {LONGEST:,} characters")
    _compiled(re.compile, pattern)
    _check_braces(pattern)
    _compiled(_searcher, pattern)


def _compiled(compile: Callable[[str], object], pattern: str) -> None:
    try:
        compile(pattern)
    except (re.error, OverflowError, RecursionError, ValueError) as broken:
        raise ValueError(f"a regular expression ({broken})") from None


def _check_braces(pattern: str) -> None:
    repeats = 1
    for found in _BRACES.finditer(pattern):
        inside = found[1]
        if inside is None:
            continue
        numbers = _REPEATS.fullmatch(inside)
        if numbers is None:
            raise ValueError(f"a regular expression with \\{{ for a brace that counts nothing ({{{inside}}})")
        repeats *= max(1, *(int(number) for number in numbers.group(1, 3) if number))
    if repeats > _MOST_REPEATS:
        raise ValueError(f"a regular expression that repeats at most {_MOST_REPEATS:,} times")


def found(pattern: str, value: str, *, ignore_case: bool) -> bool:
    """Whether a pattern is found in a text; `ValidationError` where that takes too long."""
    try:
        return _searcher(pattern, ignore_case)(value, timeout=SECONDS) is not None
    except TimeoutError:
        raise ValidationError(
            f"The pattern {quoted(pattern)} is not done with one value after {SECONDS:g} s. A repeat within a repeat, "
            "as in (a+)+ or (.*,)*, can be tried in more ways than there is time for: write it without."
        ) from None


@lru_cache(maxsize=256)
def _searcher(pattern: str, ignore_case: bool = False) -> Callable[..., Any]:
    import regex

    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0).search
    except regex.error as broken:
        raise re.error(str(broken)) from None
