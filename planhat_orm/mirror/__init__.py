"""The mirror: a copy of a tenant in SQLite or PostgreSQL that answers the same queries without a request.

It knows tables, syncs, history and what waits to be sent; requests reach it as flows, so it knows no HTTP. It is the
only importer of SQLModel, SQLAlchemy and Alembic, and is itself imported when a mirror is used, room by room.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .mirror import Mirror

if TYPE_CHECKING:
    from .erasure.plan import Erasure, Found
    from .reading.history import Change
    from .reading.source import MirrorSource
    from .report import MirrorStatus, ModelPlan, ModelReport, ModelStatus, Progress, SyncPlan, SyncReport
    from .sharing.search import Hit
    from .sharing.sql import SqlResult
    from .upkeep.doctor import Diagnosis, Finding
    from .upkeep.migrate import include_object
    from .upkeep.rescue import Rescue

_ROOMS = {
    "Change": ".reading.history",
    "Diagnosis": ".upkeep.doctor",
    "Erasure": ".erasure.plan",
    "Finding": ".upkeep.doctor",
    "Found": ".erasure.plan",
    "Hit": ".sharing.search",
    "MirrorSource": ".reading.source",
    "MirrorStatus": ".report",
    "ModelPlan": ".report",
    "ModelReport": ".report",
    "ModelStatus": ".report",
    "Progress": ".report",
    "Rescue": ".upkeep.rescue",
    "SqlResult": ".sharing.sql",
    "SyncPlan": ".report",
    "SyncReport": ".report",
    "include_object": ".upkeep.migrate",
}

__all__ = [
    "Change",
    "Diagnosis",
    "Erasure",
    "Finding",
    "Found",
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


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name], __name__), name)
