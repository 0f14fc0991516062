"""Writes: batches, plans, and an outcome for every object."""

from .batch import Batch
from .plan import Change, WritePlan
from .results import BatchResult, RowResult

__all__ = ["Batch", "BatchResult", "Change", "RowResult", "WritePlan"]
