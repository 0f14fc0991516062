"""An emulator of Planhat's REST API on loopback: a seeded tenant, documented behaviour, bad weather on demand."""

from __future__ import annotations

from .faults import Fault, Faults
from .log import Call, Log
from .server import Emulator
from .store import Store
from .switches import Switches

__all__ = ["Call", "Emulator", "Fault", "Faults", "Log", "Store", "Switches"]
