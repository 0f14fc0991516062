"""A line of a deal: a subscription or a fee."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, Choice, CustomFields, DateTime, Key, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .deal import Deal
    from .product import Product


class LineItem(Model, resource="line_item"):
    """A line of a deal: a subscription or a fee."""

    external_id = Key(doc="Record id in your own system.")
    source_id = Key()
    deal_id = Ref("Deal", required=True)
    company_id = Ref("Company", doc="From the deal.")
    product_id = Ref("Product", doc="Template.")
    product_name = Str(readonly=True)
    product_type = Choice("subscription", "fee")
    status = Choice("ongoing", "renewed", "lost")
    fixed_period = Bool()
    from_date = DateTime(required=True)
    to_date = DateTime()
    length = Number(doc="Months.")
    mrr = Number()
    arr = Number()
    value = Number()
    currency = Str()
    auto_renews = Bool()
    renewal_mrr = Number()
    renewal_arr = Number()
    renewal_period = Number()
    notice_period = Number()
    notice_unit = Choice("day", "week", "month")
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")

    deal: One[Deal] = One("Deal", via="deal_id")
    company: One[Company] = One("Company", via="company_id")
    product: One[Product] = One("Product", via="product_id")
