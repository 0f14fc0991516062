"""A sync that comes round: what `planhat sync --every 5m` does between two syncs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..errors import AuthenticationError, ConfigurationError, PermissionDenied, PlanhatError
from .out import say

JITTER = 0.1
"""The part by which a wait is longer or shorter, so that many services do not ask in the same second."""


def repeat(work: Callable[[], None], every: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Do `work` again and again, `every` seconds from start to start, until a signal ends the process.

    A server that fails or is away is told of and asked again next time. What no waiting mends (a wrong token, a
    wrong setting) ends the service.
    """
    while True:
        started = time.monotonic()
        try:
            work()
        except (ConfigurationError, AuthenticationError, PermissionDenied):
            raise
        except PlanhatError as error:
            say(f"planhat: {error} The next try comes in its time.")
        pause = max(0.0, every * random.uniform(1 - JITTER, 1 + JITTER) - (time.monotonic() - started))
        say(f"The next sync is at {datetime.now(UTC) + timedelta(seconds=pause):%H:%M:%S} UTC.")
        sleep(pause)
