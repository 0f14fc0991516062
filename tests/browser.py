"""Headless Chromium for tests of pages: `look(url, width)` returns the console's errors."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: make test-pages")


def look(url: str, width: int, shot: Path) -> list[str]:
    """Open a page, write a picture of it to `shot`, and return what its console says of errors."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--virtual-time-budget=8000",
            f"--user-data-dir={shot.parent / 'profile'}",
            f"--window-size={width},2400",
            f"--screenshot={shot}",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return re.findall(r"CONSOLE.*", done.stderr)
