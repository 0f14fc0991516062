"""A period's time entries, for approval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Choice, DateTime, Day, Int, One, Ref, RefList
from ..base import Model

if TYPE_CHECKING:
    from .user import User


class Timesheet(Model, resource="timesheet"):
    """A period's time entries, for approval."""

    approved_by_id = Ref("User", wire="approvedBy", readonly=True, doc="Who approved it.")
    status = Choice("submitted", "approved", "returned", doc="Where its approval stands.")
    time_entries = RefList(doc="Ids of its time entries.")
    date_of_approval = DateTime(readonly=True, doc="When it was approved.")
    date_from = Day(doc="First day.")
    date_to = Day(doc="Last day.")
    assigned_model = Choice("User", doc="What kind of record the assignee is.")
    assigned_id = Ref("User", doc="Whose time it is.")
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    approved_by: One[User] = One("User", via="approved_by_id", doc="Who approved it.")
    assigned: One[User] = One("User", via="assigned_id", doc="Whose time it is.")
