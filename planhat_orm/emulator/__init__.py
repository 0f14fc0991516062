"""An emulator of Planhat's API on loopback: a seeded tenant, its documented behaviour, and faults on demand.

It is the API from the server's side and knows nothing of the client. What the API's description leaves open is a
switch. `Emulator` runs inside a test, `planhat emulator` as a process.
"""

from __future__ import annotations

from .faults import Fault, Faults
from .log import Call, Log
from .server import Emulator
from .store import Store
from .switches import Switches

__all__ = ["Call", "Emulator", "Fault", "Faults", "Log", "Store", "Switches"]
