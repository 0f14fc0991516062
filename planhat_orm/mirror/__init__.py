"""The mirror: a copy of a tenant in SQLite or PostgreSQL that answers the same queries without a request.

It knows tables, syncs, history and what waits to be sent; requests reach it as flows, so it knows no HTTP. It is the
only importer of SQLModel, SQLAlchemy and Alembic, and is itself imported when a mirror is used.
"""

from .mirror import Mirror
from .reading.history import Change
from .reading.source import MirrorSource
from .report import MirrorStatus, ModelPlan, ModelReport, ModelStatus, Progress, SyncPlan, SyncReport
from .sharing.search import Hit
from .sharing.sql import SqlResult
from .upkeep.doctor import Diagnosis, Finding
from .upkeep.migrate import include_object
from .upkeep.rescue import Rescue

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
    "SqlResult",
    "SyncPlan",
    "SyncReport",
    "include_object",
]
