"""A goal agreed with a company, with a health of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import CustomFields, Dict, Int, Key, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company


class Objective(Model, resource="objective"):
    """A goal agreed with a company, with a health of its own."""

    name = Str(required=True, doc="What it is called.")
    health = Number(doc="Scale not stated.")
    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    custom = CustomFields()
    usage = Dict(readonly=True, doc="Metric id -> value.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
