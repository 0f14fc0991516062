"""Docstrings whose second part is made when somebody reads it: `help()` lists what a table in the code says."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


class Docstring:
    """The `__doc__` of a class: what is written there, and what `more` says of the class that is asked."""

    __slots__ = ("_more", "_text")

    def __init__(self, text: str | None, more: Callable[[Any], str]) -> None:
        self._text = text
        self._more = more

    def __get__(self, instance: object, owner: type) -> str:
        return joined(self._text, self._more(owner))


def joined(text: str | None, more: str) -> str:
    """A docstring as it is written, and what follows it."""
    return f"{inspect.cleandoc(text or '')}\n\n{more}".strip()
