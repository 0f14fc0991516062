"""Writes: batches, plans, reconciling, and the one way in which records travel.

It knows how a record's change becomes an outbox's entry, a row of a request, and an outcome again. The writer decides
whether a write joins a batch, waits or leaves; the sender carries records, `Push` entries, parents first.
"""

from .batch import Batch
from .plan import Change, WritePlan

__all__ = ["Batch", "Change", "WritePlan"]
