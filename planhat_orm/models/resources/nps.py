"""An answer to an NPS survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Choice, CustomFields, DateTime, Id, Int, Key, One, Ref, Str
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .enduser import Enduser


class NPS(Model, resource="nps"):
    """An answer to an NPS survey."""

    c_id = Ref("Company")
    email = Str(required=True, doc="Surveyed contact.")
    eu_id = Ref("Enduser", readonly=True)
    campaign_id = Id(doc="NPS campaign.")
    score = Int(required=True, doc="0-10.")
    comment = Str()
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    date_sent = DateTime()
    date_answered = DateTime()
    source = Str(doc="Survey system.")
    custom = CustomFields()
    score_type = Choice("promoter", "passive", "detractor", readonly=True)
    nps = Int(readonly=True, doc="Read side name of score on one live tenant.")
    nps_comment = Str(readonly=True, doc="Read side name of comment there.")
    nps_date = DateTime(readonly=True, doc="Read side name of dateAnswered there.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="c_id")
    enduser: One[Enduser] = One("Enduser", via="eu_id")
