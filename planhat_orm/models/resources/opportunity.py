"""A possible sale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Choice, CustomFields, DateTime, Int, Key, List, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .user import User


class Opportunity(Model, resource="opportunity"):
    """A possible sale. Newer tenants have deals and line items instead."""

    sales_stage = Str(doc="Stage in the sales process.")
    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    deal_date = DateTime(doc="When the deal was made.")
    landing_date = DateTime(doc="Expected close.")
    close_date = DateTime(doc="When it was closed.")
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    currency = Str(wire="_currency", doc="Currency code.")
    title = Str(doc="Title.")
    owner_id = Ref("User", doc="The team member who owns it.")
    mrr = Number(doc="Monthly recurring revenue.")
    arr = Number(doc="Annual recurring revenue.")
    nrr = Number(doc="Non-recurring revenue.")
    contract_length = Int(doc="Months.")
    status = Choice("active", "won", "lost", doc="Open, won or lost.")
    stage_history = List(readonly=True, doc="Earlier stages.")
    custom = CustomFields()
    recurring_value = Number(doc="Only in write examples.")
    probability = Number(doc="How likely it is to be won.")
    comments = List(readonly=True, doc="Comments on it.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
    owner: One[User] = One("User", via="owner_id", doc="The team member who owns it.")
