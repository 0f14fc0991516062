"""A running workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, CustomFields, DateTime, Dict, Id, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .user import User


class Workflow(Model, resource="workflow"):
    """A running workflow. It can only be listed."""

    name = Str()
    type = Str()
    status = Str()
    owner_id = Ref("User", wire="owner")
    company_id = Ref(
        "Company", doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company."
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    template_id = Dict(doc="Typed object.")
    target_id = Id()
    target_name = Str()
    target_model = Str()
    end_user_email = Str()
    start_date = DateTime()
    next_start_time = DateTime()
    expected_end_date = DateTime()
    expected_days = Number()
    actual_days = Number()
    percent_done = Number()
    is_archived = Bool()
    archive_date = DateTime()
    open_rate = Number()
    click_rate = Number()
    reply_rate = Number()
    bounce_rate = Number()
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")

    owner: One[User] = One("User", via="owner_id")
    company: One[Company] = One("Company", via="company_id")
