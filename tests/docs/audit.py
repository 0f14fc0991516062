"""Ask OSV, the database of known vulnerabilities, for every version that is locked: one request, a few seconds at most.

python -m tests.docs.audit requirements-dev.lock

Exit status 1 where one is known. Where the service is not reached, as in a network that has package indexes only, it says
so in one line and the status is 0. `make test` shows the answer and goes on; `make audit` asks with pip-audit.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

SERVICE = "https://api.osv.dev/v1/querybatch"
SECONDS = 6.0
ACCEPTED: dict[str, str] = {}
"""Ids of vulnerabilities that do not concern us, and why."""
_PINNED = re.compile(r"^([\w.-]+)==([^\s\\]+)", re.MULTILINE)


def locked(text: str) -> list[tuple[str, str]]:
    """Names and versions of a lock file."""
    return _PINNED.findall(text)


def ask(service: str, packages: list[tuple[str, str]], seconds: float = SECONDS) -> list[str] | None:
    """A line for each vulnerable package; None where no answer came in time, or one that makes no sense."""
    answered: list[list[str]] = []

    # A thread, as the look-up of a host has no limit of time.
    def answer() -> None:
        # Why no answer came is of no interest.
        with suppress(Exception):
            answered.append(_ask(service, packages, seconds))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered[0] if answered else None


def _ask(service: str, packages: list[tuple[str, str]], seconds: float) -> list[str]:
    queries = [{"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version in packages]
    request = urllib.request.Request(
        service, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        results: list[dict[str, Any]] = json.load(answer)["results"]
    found = []
    for (name, version), result in zip(packages, results, strict=True):
        ids = [vulnerability["id"] for vulnerability in result.get("vulns", ())]
        if ids := sorted(set(ids) - ACCEPTED.keys()):
            found.append(f"{name} {version}: {', '.join(ids)}")
    return found


def main(path: str, service: str = SERVICE, seconds: float = SECONDS) -> int:
    """Say what is known of the locked versions, and return the exit status."""
    packages = locked(Path(path).read_text("utf-8"))
    vulnerable = ask(service, packages, seconds)
    if vulnerable is None:
        print("Vulnerabilities of the locked versions: not asked for, as the service that knows them is not reached.")
        return 0
    print(f"Vulnerabilities of the {len(packages)} locked versions: {len(vulnerable)} known.")
    print(*(f"  {line}" for line in vulnerable), sep="\n", end="\n" if vulnerable else "")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
