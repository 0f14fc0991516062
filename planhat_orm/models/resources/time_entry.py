"""Time spent on a company."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, Choice, CustomFields, DateTime, Int, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .timesheet import Timesheet
    from .user import User


class TimeEntry(Model, resource="time_entry"):
    """Time spent on a company."""

    company_id = Ref(
        "Company", doc="Owning company; on writes also accepts extid-<externalId> or srcid-<sourceId> of the company."
    )
    date = DateTime(required=True, doc="Day worked.")
    hours = Number(required=True, doc="0.1 to 24, decimals allowed.")
    is_time_off = Bool()
    description = Str()
    is_billable = Bool()
    billing_code = Str()
    currency = Str()
    billable_rate = Number()
    total_billed = Number(readonly=True, doc="Hours x billableRate.")
    cost_rate = Number()
    total_cost = Number(readonly=True, doc="Hours x costRate.")
    timesheet_status = Choice("draft", "submitted", "approved", "returned", readonly=True)
    timesheet_id = Ref("Timesheet", readonly=True)
    assigned_model = Choice("User")
    assigned_id = Ref("User", doc="Who worked the time.")
    path = Str(readonly=True)
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id")
    timesheet: One[Timesheet] = One("Timesheet", via="timesheet_id")
    assigned: One[User] = One("User", via="assigned_id")
