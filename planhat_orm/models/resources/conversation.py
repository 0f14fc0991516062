"""A conversation, note, email, call or ticket with a company."""

from __future__ import annotations

from ..conversation_base import Touch


class Conversation(Touch, resource="conversation"):
    """A conversation, note, email, call or ticket with a company."""
