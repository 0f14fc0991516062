"""A note: a conversation of type `note`."""

from __future__ import annotations

from ...fields import Key, Str
from ..conversation_base import ConversationBase


class Note(ConversationBase, resource="note"):
    """A note: a conversation of type `note`."""

    company_external_id = Key(doc="External id of the company, alternative to companyId.")
    type = Str(required=True, doc="Must be note (or one of your own touch types).")
