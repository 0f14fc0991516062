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
    source_id = Key(doc="Record id in the integrated source (CRM etc.).")
    deal_id = Ref("Deal", required=True, doc="The deal it is a line of.")
    company_id = Ref("Company", doc="From the deal.")
    product_id = Ref("Product", doc="Template.")
    product_name = Str(readonly=True, doc="Copy of the product's name; may be stale.")
    product_type = Choice("subscription", "fee", doc="Subscription or one-off fee.")
    status = Choice("ongoing", "renewed", "lost", doc="Whether it was renewed.")
    fixed_period = Bool(doc="True: fixed term; false: open ended.")
    from_date = DateTime(required=True, doc="Start.")
    to_date = DateTime(doc="End.")
    length = Number(doc="Months.")
    mrr = Number(doc="Monthly recurring revenue.")
    arr = Number(doc="Annual recurring revenue.")
    value = Number(doc="Value of a fee.")
    currency = Str(doc="Currency code; any string is accepted.")
    auto_renews = Bool(doc="Whether it renews by itself.")
    renewal_mrr = Number(doc="Monthly recurring revenue at renewal.")
    renewal_arr = Number(doc="Annual recurring revenue at renewal.")
    renewal_period = Number(doc="Length of the next period.")
    notice_period = Number(doc="Length of the notice period.")
    notice_unit = Choice("day", "week", "month", doc="Unit of the notice period.")
    custom = CustomFields()
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")

    deal: One[Deal] = One("Deal", via="deal_id", doc="The deal it is a line of.")
    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
    product: One[Product] = One("Product", via="product_id", doc="The product it was made from.")
