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

    c_id = Ref("Company", doc="The company; extid- and srcid- forms are accepted on write.")
    email = Str(required=True, doc="Surveyed contact.")
    eu_id = Ref("Enduser", readonly=True, doc="The contact.")
    campaign_id = Id(doc="NPS campaign.")
    score = Int(required=True, bounds=(0, 10), doc="0-10.")
    comment = Str(doc="Free text.")
    source_id = Key(doc="Record id in the integrated source (CRM etc.); keyable.")
    date_sent = DateTime(doc="When the survey was sent.")
    date_answered = DateTime(doc="When the answer came.")
    source = Str(doc="Survey system.")
    custom = CustomFields()
    score_type = Choice("promoter", "passive", "detractor", readonly=True, doc="What the score counts as.")
    nps = Int(readonly=True, doc="Read side name of score on one live tenant.")
    nps_comment = Str(readonly=True, doc="Read side name of comment there.")
    nps_date = DateTime(readonly=True, doc="Read side name of dateAnswered there.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    company: One[Company] = One("Company", via="c_id", doc="The company it belongs to.")
    enduser: One[Enduser] = One("Enduser", via="eu_id", doc="The contact who answered.")
