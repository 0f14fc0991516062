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
    is_time_off = Bool(doc="Absence instead of work.")
    description = Str(doc="Free text.")
    is_billable = Bool(doc="Whether the customer pays for it.")
    billing_code = Str(doc="Code for invoices.")
    currency = Str(doc="Currency code; any string is accepted.")
    billable_rate = Number(doc="Price of an hour.")
    total_billed = Number(readonly=True, doc="Hours x billableRate.")
    cost_rate = Number(doc="Cost of an hour.")
    total_cost = Number(readonly=True, doc="Hours x costRate.")
    timesheet_status = Choice(
        "draft", "submitted", "approved", "returned", readonly=True, doc="State of the timesheet it is on."
    )
    timesheet_id = Ref("Timesheet", readonly=True, doc="The timesheet it is on.")
    assigned_model = Choice("User", doc="What kind of record the assignee is.")
    assigned_id = Ref("User", doc="Who worked the time.")
    path = Str(readonly=True, doc="Internal.")
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
    timesheet: One[Timesheet] = One("Timesheet", via="timesheet_id", doc="The timesheet it is on.")
    assigned: One[User] = One("User", via="assigned_id", doc="Whose time it is.")
