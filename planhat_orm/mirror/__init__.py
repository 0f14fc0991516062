"""The mirror: a copy of a tenant in SQLite or PostgreSQL that answers the same queries without a request."""

from .doctor import Diagnosis, Finding
from .history import Change
from .migrate import include_object
from .mirror import Mirror
from .report import MirrorStatus, ModelPlan, ModelReport, ModelStatus, Progress, SyncPlan, SyncReport
from .rescue import Rescue
from .search import Hit
from .source import MirrorSource

__all__ = [
    "Change",
    "Diagnosis",
    "Finding",
    "Hit",
    "Mirror",
    "MirrorSource",
    "MirrorStatus",
    "ModelPlan",
    "ModelReport",
    "ModelStatus",
    "Progress",
    "Rescue",
    "SyncPlan",
    "SyncReport",
    "include_object",
]
