"""Two processes that share a mirror make the same keys at the same moment: each key once, whoever was first."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from planhat_orm import Company, Planhat
from tests.other_server import OtherServer, faults, on

ROOT = Path(__file__).parents[2]
KEYS = 25
MAKE = """
import sys
from planhat_orm import AlreadyExists, Company, Planhat
url, mirror, how, mine = sys.argv[1:5]

def make(key):
    if how == "save":
        Company.objects.create(external_id=key, name=mine)
        return
    with planhat.batch():
        Company(external_id=key, name=mine).save()

with Planhat("token-a", api_url=url, mirror=mirror, calls_per_min=1e6) as planhat:
    list(Company.objects.all())
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            make(line.strip())
            print("made", flush=True)
        except AlreadyExists:
            print("exists", flush=True)
"""


def race(server: OtherServer, mirror: str, ways: list[str]) -> list[list[str]]:
    """What each process says of each key; they begin with a key together."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, server.url, mirror, way, f"process {number}"], cwd=ROOT,
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )
        for number, way in enumerate(ways)
    ]  # fmt: skip
    said: list[list[str]] = [[] for _ in ways]
    try:
        for line in ["", *(f"k{number}" for number in range(KEYS))]:
            for process in processes:
                assert process.stdin is not None
                if line:
                    process.stdin.write(f"{line}\n")
            for process, words in zip(processes, said, strict=True):
                assert process.stdout is not None
                words.append(process.stdout.readline().strip())
    finally:
        for process in processes:
            process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * len(ways)
    return [words[1:] for words in said]


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("ways", [["save", "save"], ["save", "batch"]], ids=" and ".join)
def test_each_key_is_made_once(request: pytest.FixtureRequest, tmp_path: Path, ways: list[str], database: str) -> None:
    postgres_url: Callable[[], str] | None = request.getfixturevalue("postgres") if database == "postgres" else None
    where = str(tmp_path / "m.db") if postgres_url is None else postgres_url()
    with OtherServer(duplicates="store") as server:
        with Planhat(**server.settings(), mirror=where, calls_per_min=1e6) as planhat:
            planhat.sync(Company)
        # Long enough for the other process to look the key up, too.
        server.fault(faults.slow(0.03), on("GET", "/companies/extid-"), times=None)
        made = race(server, where, ways)
        there = Counter(record["externalId"] for record in server.records("company"))
        assert there == {f"k{number}": 1 for number in range(KEYS)}
        if "batch" not in ways:
            assert all(sorted(pair) == ["exists", "made"] for pair in zip(*made, strict=True)), made
            names = {record["externalId"]: record["name"] for record in server.records("company")}
            assert [names[f"k{number}"] for number in range(KEYS)] == [
                f"process {[words[number] for words in made].index('made')}" for number in range(KEYS)
            ]
        with Planhat(**server.settings(), mirror=where, calls_per_min=1e6) as planhat:
            assert not len(planhat.mirror.outbox)
            planhat.sync(Company)
            assert Company.objects.using(planhat).using("mirror").count() == KEYS
