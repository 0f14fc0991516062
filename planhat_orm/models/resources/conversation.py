"""A conversation, note, email, call or ticket with a company."""

from __future__ import annotations

from ..conversation_base import ConversationBase


class Conversation(ConversationBase, resource="conversation"):
    """A conversation, note, email, call or ticket with a company."""
