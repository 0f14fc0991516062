"""Time as the library sees it, so that a test can run a minute in half a second."""

from __future__ import annotations

import time


def uptime() -> float:
    """Seconds since this machine started, for all processes alike; also those in which it slept, where it can tell."""
    return time.clock_gettime(_BOOTTIME) if _BOOTTIME is not None else time.monotonic()


_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock:
    """A monotonic clock that may run faster than the wall.

    `Clock(speed=100)` makes a quota minute pass in 0.6 seconds: it is how the tests, and an emulator
    started with the same speed, show behaviour over minutes without waiting for them.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed

    def now(self) -> float:
        """Seconds of this clock, from an arbitrary start."""
        return time.monotonic() * self.speed

    def uptime(self) -> float:
        """Seconds of this clock that go on while the machine sleeps, where it can tell."""
        return uptime() * self.speed

    def sleep(self, seconds: float) -> None:
        """Block the thread for `seconds` of this clock."""
        time.sleep(max(0.0, seconds) / self.speed)

    async def asleep(self, seconds: float) -> None:
        """Let the task wait for `seconds` of this clock."""
        import asyncio  # who awaits has it

        await asyncio.sleep(max(0.0, seconds) / self.speed)
