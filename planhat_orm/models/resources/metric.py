"""A value of a metric on a day, as it is read back (dimension data)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import DateTime, Id, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company


class Metric(Model, resource="metric"):
    """A value of a metric on a day, as it is read back (dimension data)."""

    dimension_id = Str(readonly=True, required=True, doc="Name of the metric.")
    time = DateTime(readonly=True, doc="Day of the value.")
    value = Number(readonly=True, required=True, doc="The value.")
    model = Str(readonly=True, doc="Model of the record that the value belongs to.")
    parent_id = Id(readonly=True, doc="Record the value belongs to.")
    company_id = Ref("Company", readonly=True, doc="The company.")
    company_name = Str(readonly=True, doc="Copy of the company's name; may be stale.")

    company: One[Company] = One("Company", via="company_id", doc="The company it belongs to.")
