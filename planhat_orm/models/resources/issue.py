"""A bug or wish, linked to any number of companies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, CustomFields, DateTime, Int, Key, List, ManyToMany, RefList, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .conversation import Conversation
    from .enduser import Enduser


class Issue(Model, resource="issue"):
    """A bug or wish, linked to any number of companies."""

    title = Str(required=True, doc="Title.")
    description = Str(doc="Free text.")
    company_ids = RefList(doc="Linked companies; extid- form accepted on write; needed in bulk.")
    embedded_companies = List(wire="companies", readonly=True, doc="[{id/_id, name}].")
    enduser_ids = RefList(doc="Ids of linked contacts.")
    embedded_endusers = List(wire="endusers", readonly=True, doc="Linked contacts, as copies.")
    conversation_ids = RefList(doc="Ids of linked conversations.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    source = Str(doc="Originating system.")
    source_url = Str(doc="Link to it in the originating system.")
    priority = Str(doc="How urgent it is.")
    archived = Bool(doc="Put away.")
    status = Str(doc="Open, In Progress, Done in examples.")
    mrr_combined = Int(readonly=True, doc="Monthly recurring revenue of all linked companies.")
    arr_combined = Int(readonly=True, doc="Annual recurring revenue of all linked companies.")
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    followers = RefList(doc="Ids of the users who follow it.")
    custom = CustomFields()
    company_matching_value = List(readonly=True, doc="[{id, name}].")
    issue_type = Str(doc="What kind of issue it is.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    companies: ManyToMany[Company] = ManyToMany("Company", via="company_ids", doc="The companies it is linked to.")
    endusers: ManyToMany[Enduser] = ManyToMany("Enduser", via="enduser_ids", doc="The contacts it is linked to.")
    conversations: ManyToMany[Conversation] = ManyToMany(
        "Conversation", via="conversation_ids", doc="The conversations it is linked to."
    )
