"""An entry in the log of lost revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, CustomFields, DateTime, Int, Key, Number, One, Ref, Str, StrList
from ..base import Model

if TYPE_CHECKING:
    from .company import Company


class Churn(Model, resource="churn"):
    """An entry in the log of lost revenue. It changes no revenue figure."""

    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    churn_date = DateTime(doc="When the revenue was lost; a calendar date is accepted.")
    value = Number(doc="Lost value.")
    arr = Number(doc="Lost annual recurring revenue.")
    currency = Str(doc="Currency code; any string is accepted.")
    reasons = StrList(doc="Why it was lost.")
    products = StrList(doc="Products that were lost.")
    description = Str(doc="Free text.")
    comment = Str(doc="Text in the official examples; typed object in one schema.")
    only_downgrade = Bool(doc="Downgrade, not a loss; what the downgrades filter looks at (inferred).")
    snoozed = Bool(doc="Put off for later.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    external_id = Key(doc="Only in the placeholder page.")
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
