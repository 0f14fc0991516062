"""A conversation, note, email, call or ticket with a company."""

from __future__ import annotations

from ...fields import Str
from ..touch import Touch


class Conversation(Touch, resource="conversation"):
    """A conversation, note, email, call or ticket with a company."""

    type = Str(
        doc="Existing conversation type; unknown values fall back to note; email, chat, ticket, call are "
        "reserved for the system."
    )
