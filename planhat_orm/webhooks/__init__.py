"""Webhooks of Planhat's automations: `from planhat_orm.webhooks import Receiver`.

A webhook says that a record changed. What it changed to is read from Planhat, written into the mirror, and handed
to the functions that asked for it.
"""

from .bodies import template
from .handlers import Change
from .receiver import Counts, Receiver

__all__ = ["Change", "Counts", "Receiver", "template"]
