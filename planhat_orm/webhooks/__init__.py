"""Webhooks of Planhat's automations: `from planhat_orm.webhooks import Receiver`.

A webhook says that a record changed. What it changed to is read from Planhat, written into the mirror, and handed
to the functions that asked for it.
"""

from .bodies import template
from .counts import Counts
from .handlers import Change
from .receiver import Receiver

__all__ = ["Change", "Counts", "Receiver", "template"]
