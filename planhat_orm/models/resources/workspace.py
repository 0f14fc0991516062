"""A sub-unit of a company."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import CustomFields, Int, Key, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .user import User


class Workspace(Model, resource="workspace"):
    """A sub-unit of a company."""

    name = Str(required=True, doc="What it is called.")
    owner_id = Ref("User", doc="The team member who owns it.")
    company_id = Ref(
        "Company",
        required=True,
        doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company.",
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    custom = CustomFields()
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    owner: One[User] = One("User", via="owner_id", doc="The team member who owns it.")
    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
