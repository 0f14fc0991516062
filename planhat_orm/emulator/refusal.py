"""How the emulated server says no: to a request, or to one item of a bulk request."""

from __future__ import annotations


class Refusal(Exception):
    """The request, or the item, is answered with `status` and this text, and nothing is stored."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class SilentDrop(Exception):
    """The item is ignored without a word, as Planhat does with tickets that carry no email."""
