"""Something a company uses: a device, an installation, an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import CustomFields, DateTime, Dict, Int, Key, Number, One, Ref, RefList, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .user import User


class Asset(Model, resource="asset"):
    """Something a company uses: a device, an installation, an instance."""

    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    name = Str(required=True, doc="What it is called.")
    custom = CustomFields()
    followers = RefList(doc="Ids of the users who follow it.")
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    serial_number = Str(doc="Newer page only, not seen in payloads.")
    value = Number(doc="Newer page only.")
    currency = Str(wire="_currency", doc="Newer page only.")
    install_date = DateTime(doc="Newer page only.")
    status = Str(doc="Newer page only; free text, typically Active.")
    owner_id = Ref("User", doc="Newer page only.")
    owner_name = Str(readonly=True, doc="Newer page only.")
    usage = Dict(readonly=True, doc="Metric id -> value.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
    owner: One[User] = One("User", via="owner_id", doc="The team member who owns it.")
