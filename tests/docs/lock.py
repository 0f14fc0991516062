"""Write what `pip lock` found as requirements with hashes, without the addresses of the index that it asked.

python -m tests.docs.lock pylock.toml > requirements-dev.lock
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any


def lines(locked: dict[str, Any]) -> list[str]:
    """A line for each package with a version; the project itself has none."""
    written = ["# Written by `make lock`, for Linux and the Python that runs it. Install with pip's --require-hashes."]
    for package in sorted(locked["packages"], key=lambda package: package["name"]):
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
        hashes = sorted({file["hashes"]["sha256"] for file in files})
        if hashes:
            written.append(
                f"{package['name']}=={package['version']}"
                + "".join(f" \\\n    --hash=sha256:{digest}" for digest in hashes)
            )
    return written


if __name__ == "__main__":
    print("\n".join(lines(tomllib.loads(Path(sys.argv[1]).read_text("utf-8")))))
