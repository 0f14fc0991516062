"""The mirror: a copy of a tenant in SQLite or PostgreSQL that answers the same queries without a request."""

from .history import Change
from .migrate import include_object
from .mirror import Mirror
from .report import MirrorStatus, ModelPlan, ModelReport, ModelStatus, Progress, SyncPlan, SyncReport
from .search import Hit
from .source import MirrorSource

__all__ = [
    "Change",
    "Hit",
    "Mirror",
    "MirrorSource",
    "MirrorStatus",
    "ModelPlan",
    "ModelReport",
    "ModelStatus",
    "Progress",
    "SyncPlan",
    "SyncReport",
    "include_object",
]
