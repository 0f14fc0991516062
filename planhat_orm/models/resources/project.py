"""A project with a company."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import CustomFields, DateTime, Int, Key, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company


class Project(Model, resource="project"):
    """A project with a company."""

    name = Str(required=True, doc="What it is called.")
    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    currency = Str(doc="Currency code; any string is accepted.")
    start_date = DateTime(doc="First day.")
    end_date = DateTime(doc="Last day.")
    mrr = Number(doc="Monthly recurring revenue it brings.")
    arr = Number(doc="Annual recurring revenue.")
    nrr = Number(doc="Non-recurring revenue.")
    custom = CustomFields()
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
