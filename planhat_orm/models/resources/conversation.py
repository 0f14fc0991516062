"""A conversation, note, email, call or ticket with a company."""

from __future__ import annotations

from ..touch import Touch


class Conversation(Touch, resource="conversation"):
    """A conversation, note, email, call or ticket with a company."""
