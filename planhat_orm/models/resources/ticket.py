"""A support ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, CustomFields, DateTime, Day, Int, Key, List, One, Ref, Str, StrList
from ..base import Model

if TYPE_CHECKING:
    from .company import Company


class Ticket(Model, resource="ticket"):
    """A support ticket. It is written by bulk upsert and reads back as a conversation."""

    source = Str(doc="Name of the originating system.")
    company_id = Ref(
        "Company", doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company."
    )
    source_id = Key(required=True, doc="Ticket id in the source system; keyable.")
    email = Str(required=True, doc="Requester's email.")
    domains = StrList(doc="Company domains; needed when companyExternalId is missing.")
    company_external_id = Key(doc="Company's external id.")
    title = Str(doc="Subject (write name).")
    description = Str(doc="Body (write name).")
    url = Str(doc="Link to the ticket.")
    tags = StrList()
    type = Str(doc="Free: bug, feature request, training ...")
    severity = Str(doc="Free.")
    product = Str()
    time_spent = Int(doc="Minutes.")
    status = Str(doc="Free: new, pending, open, resolved, closed ...")
    history = List(doc="[{status, time}].")
    name = Str(doc="Requester's name, in the bulk example.")
    agent_email = Str(doc="Agent, nullable, in the bulk example.")
    created_at = DateTime(doc="Source creation time (2017 docs).")
    updated_at = DateTime(doc="Source update time (2017 docs).")
    external_id = Key(readonly=True, doc="Read side name of sourceId.")
    sub_type = Str(readonly=True, doc="Ticket.")
    subject = Str(readonly=True, doc="Read side name of title.")
    snippet = Str(readonly=True, doc="Read side text.")
    create_date = DateTime(readonly=True)
    update_date = DateTime(readonly=True)
    date = DateTime(readonly=True)
    in_date = DateTime(readonly=True)
    days = Day(readonly=True, doc="Date as epoch days.")
    time_bucket = StrList(readonly=True)
    company_name = Str(readonly=True)
    endusers = List(readonly=True, doc="[{id, name}].")
    users = List(readonly=True)
    sender = List(readonly=True)
    starred = Bool(readonly=True)
    pinned = Bool(readonly=True)
    is_open = Bool(readonly=True)
    archived = Bool(readonly=True)
    waits_to_be_filtered = Bool(readonly=True)
    activity_tags = StrList(readonly=True)
    email_template_ids = StrList(readonly=True)
    custom = CustomFields()

    company: One[Company] = One("Company", via="company_id")
