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

    name = Str(doc="Name of the workflow.")
    type = Str(doc="What kind it is.")
    status = Str(doc="Where it stands.")
    owner_id = Ref("User", wire="owner", doc="The team member who owns it.")
    company_id = Ref(
        "Company", doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company."
    )
    company_name = Str(readonly=True, doc="Copy of the company's name.")
    template_id = Dict(doc="Typed object.")
    target_id = Id(doc="Id of the record it runs on.")
    target_name = Str(doc="Name of that record.")
    target_model = Str(doc="Model of that record.")
    end_user_email = Str(doc="Email of the contact it runs on.")
    start_date = DateTime(doc="First day.")
    next_start_time = DateTime(doc="When its next step starts.")
    expected_end_date = DateTime(doc="When it should end.")
    expected_days = Number(doc="Days it should take.")
    actual_days = Number(doc="Days it has taken.")
    percent_done = Number(doc="How much of it is done.")
    is_archived = Bool(doc="Put away, as completed tasks are; lists leave such tasks out.")
    archive_date = DateTime(doc="When it was put away.")
    open_rate = Number(doc="Share of emails opened.")
    click_rate = Number(doc="Share of emails with a click.")
    reply_rate = Number(doc="Share of emails answered.")
    bounce_rate = Number(doc="Share of emails that came back.")
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")

    owner: One[User] = One("User", via="owner_id", doc="The team member who owns it.")
    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
