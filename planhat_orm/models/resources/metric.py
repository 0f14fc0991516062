"""A value of a metric on a day, as it is read back (dimension data)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import DateTime, Id, Number, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company


class Metric(Model, resource="metric"):
    """A value of a metric on a day, as it is read back (dimension data)."""

    dimension_id = Str(readonly=True, required=True)
    time = DateTime(readonly=True)
    value = Number(readonly=True, required=True)
    model = Str(readonly=True)
    parent_id = Id(readonly=True, doc="Record the value belongs to.")
    company_id = Ref("Company", readonly=True)
    company_name = Str(readonly=True)

    company: One[Company] = One("Company", via="company_id")
