"""One-off revenue of a company."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import CustomFields, DateTime, Int, Key, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company


class Sale(Model, resource="sale"):
    """One-off revenue of a company."""

    currency = Str(wire="_currency", required=True, doc="Currency code.")
    product = Str(doc="Product name.")
    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    sales_date = DateTime(doc="When it was sold.")
    value = Number(required=True, doc="Positive.")
    custom = CustomFields()
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
