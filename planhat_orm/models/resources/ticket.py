"""A support ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, CustomFields, DateTime, Day, Int, Key, List, One, Ref, RefList, Str, StrList
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
    tags = StrList(doc="Labels.")
    type = Str(doc="Free: bug, feature request, training ...")
    severity = Str(doc="Free.")
    product = Str(doc="Product name.")
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
    create_date = DateTime(readonly=True, doc="Creation time.")
    update_date = DateTime(readonly=True, doc="Last change.")
    date = DateTime(readonly=True, doc="When it took place.")
    in_date = DateTime(readonly=True, doc="When it came in.")
    days = Day(readonly=True, doc="Date as epoch days.")
    time_bucket = StrList(readonly=True, doc="Internal: year, quarter, month and week keys.")
    company_name = Str(readonly=True, doc="Copy of the company's name; may be stale.")
    endusers = List(readonly=True, doc="[{id, name}].")
    users = List(readonly=True, doc="Agents who take part.")
    sender = List(readonly=True, doc="Who sent it.")
    starred = Bool(readonly=True, doc="Marked with a star.")
    pinned = Bool(readonly=True, doc="Kept at the top of the list.")
    is_open = Bool(readonly=True, doc="Not closed yet.")
    archived = Bool(readonly=True, doc="Put away; lists of some resources leave such records out.")
    waits_to_be_filtered = Bool(readonly=True, doc="Internal.")
    activity_tags = RefList(readonly=True, doc="Ids of activity tags.")
    email_template_ids = RefList(readonly=True, doc="Ids of the email templates it was written from.")
    custom = CustomFields()

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
