"""Where files of tests live."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
GIGABYTE = 2**30


def in_memory(least: int) -> str | None:
    """A folder in memory, where the machine has one with so many bytes to spare.

    Hundreds of mirrors are made and closed: on a disk, most of their time is spent waiting for it.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > least:
        return str(MEMORY)
    return None
