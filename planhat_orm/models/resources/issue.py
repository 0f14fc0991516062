"""A bug or wish, linked to any number of companies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, CustomFields, DateTime, Int, Key, List, ManyToMany, Str, StrList
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .conversation import Conversation
    from .enduser import Enduser


class Issue(Model, resource="issue"):
    """A bug or wish, linked to any number of companies."""

    title = Str(required=True)
    description = Str()
    company_ids = StrList(doc="Linked companies; extid- form accepted on write; needed in bulk.")
    embedded_companies = List(wire="companies", readonly=True, doc="[{id/_id, name}].")
    enduser_ids = StrList()
    embedded_endusers = List(wire="endusers", readonly=True)
    conversation_ids = StrList()
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    source = Str()
    source_url = Str()
    priority = Str()
    archived = Bool()
    status = Str(doc="Open, In Progress, Done in examples.")
    mrr_combined = Int(readonly=True)
    arr_combined = Int(readonly=True)
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    followers = StrList()
    custom = CustomFields()
    company_matching_value = List(readonly=True, doc="[{id, name}].")
    issue_type = Str()
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    companies: ManyToMany[Company] = ManyToMany("Company", via="company_ids")
    endusers: ManyToMany[Enduser] = ManyToMany("Enduser", via="enduser_ids")
    conversations: ManyToMany[Conversation] = ManyToMany("Conversation", via="conversation_ids")
