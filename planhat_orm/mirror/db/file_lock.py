"""A lock of the operating system on a file of its own, which is dropped with the process that holds it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import MirrorError

_PATIENCE = 5.0
"""Seconds in which a new lock is taken: somebody may be looking at it."""


class LockFile:
    """A lock on the file `path`, of this process."""

    def __init__(self, path: Path) -> None:
        # A lock that a file stands for (where flock is missing) outlives its holder: better none at all.
        self._lock = FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False, preserve_lock_file=True)
        self._pid = os.getpid()

    def take(self) -> None:
        """Hold it, or raise `MirrorError`."""
        try:
            self._lock.acquire(timeout=_PATIENCE)
        except (OSError, Timeout) as error:
            why = getattr(error, "strerror", None) or "it is held by another process"
            raise MirrorError(
                f"The lock file {self._lock.lock_file} cannot be made: {why}. A mirror needs a folder that can be "
                "written, on a disk of this machine: a file system of a network may have no locks."
            ) from None

    def take_if_free(self) -> bool:
        """Hold it if nobody does. Who cannot look takes nothing over."""
        try:
            self._lock.acquire(blocking=False)
        except (OSError, Timeout):
            return False
        return True

    def release(self) -> None:
        """Delete the file and let go, or do nothing in a forked child."""
        if self._pid != os.getpid():
            return
        # While it is held, so that nobody else can have taken it.
        with suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()
