"""A product of the catalogue, with default prices for line items."""

from __future__ import annotations

from ...fields import Bool, Choice, CustomFields, DateTime, Key, Number, Str, StrList
from ..base import Model


class Product(Model, resource="product"):
    """A product of the catalogue, with default prices for line items."""

    name = Str(required=True)
    external_id = Key(doc="Record id in your own system; keyable.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    type = Choice("subscription", "fee")
    mrr = Number(doc="Default mrr.")
    arr = Number(readonly=True, doc="From mrr.")
    value = Number(doc="Price of a fee.")
    currency = Str()
    fixed_period = Bool()
    auto_renews = Bool()
    length = Number(doc="Months.")
    renewal_mrr = Number()
    renewal_arr = Number(readonly=True)
    renewal_period = Number(doc="Months.")
    notice_period = Number()
    notice_unit = Choice("day", "week", "month")
    packages = StrList()
    color = Str()
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
