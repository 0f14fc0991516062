"""What a receiver counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What a receiver did since it was made, by deliveries, records and calls of handlers.

    `accepted` deliveries are on disk. `forged` had a wrong secret, `oversized` were too long, of `unreadable` ones no
    record could be told. `pulled` records were read again, with `requests`, and `removed` of them were gone. Handlers
    were called `handled` times and `failed` so many; `parked` is what was given up after eight tries.
    """

    accepted: int = 0
    forged: int = 0
    oversized: int = 0
    unreadable: int = 0
    pulled: int = 0
    removed: int = 0
    requests: int = 0
    handled: int = 0
    failed: int = 0
    parked: int = 0
