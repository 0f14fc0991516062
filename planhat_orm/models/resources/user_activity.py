"""Something a contact did in your product."""

from __future__ import annotations

from ...fields import DateTime, Dict, Int, Key, Number, Str
from ..base import Model


class UserActivity(Model, resource="user_activity"):
    """Something a contact did in your product. It is sent, never read back."""

    email = Str(doc="Contact's email; this or externalId.")
    external_id = Key(doc="Contact id in your system; id in the 2017 bulk form.")
    name = Str(doc="Full name.")
    company_external_id = Key(doc="Company's externalId; cId in the 2017 bulk form.")
    action = Str(doc="Event text; needed to show in the event stream.")
    date = DateTime(doc="Default: time received.")
    weight = Number(doc="Relative importance.")
    count = Int(doc="Bulk only: times it happened.")
    info = Dict(doc="Free extra data.")
