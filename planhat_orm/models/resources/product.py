"""A product of the catalogue, with default prices for line items."""

from __future__ import annotations

from ...fields import Bool, Choice, CustomFields, DateTime, Key, Number, Str, StrList
from ..base import Model


class Product(Model, resource="product"):
    """A product of the catalogue, with default prices for line items."""

    name = Str(required=True, doc="What it is called.")
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    type = Choice("subscription", "fee", doc="Subscription or one-off fee.")
    mrr = Number(doc="Default mrr.")
    arr = Number(readonly=True, doc="From mrr.")
    value = Number(doc="Price of a fee.")
    currency = Str(doc="Currency code; any string is accepted.")
    fixed_period = Bool(doc="True: fixed term; false: open ended.")
    auto_renews = Bool(doc="Whether it renews by itself.")
    length = Number(doc="Months.")
    renewal_mrr = Number(doc="Monthly recurring revenue at renewal.")
    renewal_arr = Number(readonly=True, doc="Annual recurring revenue at renewal.")
    renewal_period = Number(doc="Months.")
    notice_period = Number(doc="Length of the notice period.")
    notice_unit = Choice("day", "week", "month", doc="Unit of the notice period.")
    packages = StrList(doc="Packages that it is part of.")
    color = Str(doc="Colour in the app.")
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
