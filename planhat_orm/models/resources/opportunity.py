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

    sales_stage = Str()
    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    deal_date = DateTime()
    landing_date = DateTime(doc="Expected close.")
    close_date = DateTime()
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    currency = Str(wire="_currency", doc="Currency code.")
    title = Str()
    owner_id = Ref("User")
    mrr = Number()
    arr = Number()
    nrr = Number()
    contract_length = Int(doc="Months.")
    status = Choice("active", "won", "lost")
    stage_history = List(readonly=True)
    custom = CustomFields()
    recurring_value = Number(doc="Only in write examples.")
    probability = Number()
    comments = List(readonly=True)
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id")
    owner: One[User] = One("User", via="owner_id")
