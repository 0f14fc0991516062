"""A won or lost deal, with line items, in newer tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import CustomFields, DateTime, Key, Many, Number, One, Ref, RefList, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .line_item import LineItem
    from .user import User


class Deal(Model, resource="deal"):
    """A won or lost deal, with line items, in newer tenants."""

    name = Str(doc="What it is called.")
    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    stage = Str(doc="Pipeline stage; Closed Won and Closed Lost always exist.")
    owner_id = Ref("User", doc="The team member who owns it.")
    followers = RefList(doc="Ids of the users who follow it.")
    mrr = Number(doc="Writable without line items.")
    arr = Number(readonly=True, doc="From mrr; the text calls it writable without line items.")
    total = Number(doc="Total contract value.")
    fees = Number(doc="Sum of fees.")
    currency = Str(doc="Currency code; any string is accepted.")
    close_date = DateTime(doc="Expected or actual.")
    renewal_date = DateTime(readonly=True, doc="Earliest over subscriptions.")
    start_date = DateTime(readonly=True, doc="From subscriptions; fromDate in the text.")
    end_date = DateTime(readonly=True, doc="From subscriptions; toDate in the text.")
    subscription_count = Number(
        readonly=True, doc="Number of subscriptions; the stored name is cut after 'subscripti'."
    )
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
    owner: One[User] = One("User", via="owner_id", doc="The team member who owns it.")
    line_items: Many[LineItem] = Many("LineItem", via="deal_id", doc="Its lines.")
