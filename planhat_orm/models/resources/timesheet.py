"""A period's time entries, for approval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Choice, DateTime, Day, Int, One, Ref, StrList
from ..base import Model

if TYPE_CHECKING:
    from .user import User


class Timesheet(Model, resource="timesheet"):
    """A period's time entries, for approval."""

    approved_by_id = Ref("User", wire="approvedBy", readonly=True)
    status = Choice("submitted", "approved", "returned")
    time_entries = StrList()
    date_of_approval = DateTime(readonly=True)
    date_from = Day()
    date_to = Day()
    assigned_model = Choice("User")
    assigned_id = Ref("User")
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    approved_by: One[User] = One("User", via="approved_by_id")
    assigned: One[User] = One("User", via="assigned_id")
