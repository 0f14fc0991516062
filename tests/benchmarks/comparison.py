"""The same jobs by other libraries, each in an environment of its own; the ratio is their processor time to ours."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from .measure import Line, Scale, in_a_process, median_memory, middle, ratios
from .peers.company import GETS, PAGE, WIRES
from .run import ROOT, Run
from .server import serving
from .sync import emptied

ENVIRONMENTS = ROOT / ".venv-bench"
"""A folder for each group of peers, made by `make bench-peers`."""
_READING = ("objects", "only", "values", "values_list", "get")
JOBS = {
    "store": "first sync",
    "objects": "mirror to objects, all fields",
    "only": "mirror to objects, three fields",
    "values": "values() of three fields",
    "values_list": "values_list() of three fields",
    "get": "get() by key",
    "wire": "dicts of the API to objects",
}
LEAST = {
    ("objects", "Django"): 2, ("only", "Django"): 3, ("values", "Django"): 0.5, ("values_list", "Django"): 0.5,
    ("get", "Django"): 1, ("wire", "pydantic"): 3,
}  # fmt: skip
"""How many times as fast ours is to be, at least."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library: the environment it lives in, its script, and the names that its jobs have there."""

    name: str
    group: str
    script: str
    jobs: dict[str, str]


_ORM = {"store": "store"} | {name: name for name in _READING}
OURS = Peer("planhat_orm", "", "with_planhat_orm", _ORM | {"wire": "wire"})
PEERS = (
    OURS,
    Peer("plain script", "", "", {"store": "plain"}),
    Peer("CRUDs and sqlite-utils", "cruds", "with_cruds", {"store": "store"}),
    Peer("dlt into SQLite", "dlt", "with_dlt", {"store": "sqlite"}),
    Peer("dlt into DuckDB", "dlt", "with_dlt", {"store": "duckdb"}),
    Peer("SQLModel", "orm", "with_sqlmodel", _ORM),
    Peer("Django", "orm", "with_django", _ORM),
    Peer("peewee", "orm", "with_peewee", _ORM),
    Peer("pydantic", "wire", "with_pydantic", {"wire": "wire"}),
    Peer("pyairtable", "wire", "with_pyairtable", {"wire": "wire"}),
)


class NotRun(Exception):
    """A peer that is not installed, or that failed; the text says why."""


def run(scale: Scale) -> Iterator[Line]:
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, serving(scale.rows) as url:
        for job in JOBS:
            peers = [peer for peer in PEERS if job in peer.jobs]
            yield from _lines(scale, job, _rounds(scale, Path(folder), url, job, peers, missing))
    for name, why in missing.items():
        yield Line(name, None, beside=f"does not run here: {why}")


def _rounds(
    scale: Scale, folder: Path, url: str, job: str, peers: list[Peer], missing: dict[str, str]
) -> dict[str, list[Run]]:
    """The runs of each peer that runs here; they take turns."""
    found: dict[str, list[Run]] = {peer.name: [] for peer in peers}
    for _ in range(scale.times):
        for peer in peers:
            if peer.name not in missing:
                try:
                    found[peer.name].append(_one(scale, folder, url, peer, job))
                except NotRun as error:
                    missing[peer.name] = str(error)
    return {name: runs for name, runs in found.items() if name not in missing}


def _one(scale: Scale, folder: Path, url: str, peer: Peer, job: str) -> Run:
    home = folder / f"{peer.name.replace(' ', '-')}.db"
    if job == "store":
        emptied(home)
    if not peer.script:
        run = in_a_process(peer.jobs[job], url, home, PAGE)
    else:
        run = in_its_process(peer, peer.jobs[job], url, home, scale.rows)
    # A figure of fewer records would be worse than none.
    assert run.said["rows"] == count(job, scale.rows), f"{peer.name}: {run.said['rows']} rows"
    return run


def in_its_process(peer: Peer, job: str, url: str, home: Path, rows: int) -> Run:
    """Run a job of a peer in its own environment; ours in this one."""
    folder = ENVIRONMENTS / peer.group
    python = str(folder / "bin" / "python") if peer.group else sys.executable
    if not Path(python).exists():
        raise NotRun("not installed; `make bench-peers` does that")
    command = [python, "-m", f"tests.benchmarks.peers.{peer.script}", job, url, str(home), str(rows)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        if peer is OURS:
            raise RuntimeError(done.stderr)
        errors = folder / "errors.txt"
        installing = errors.read_text("utf-8") if errors.exists() else ""
        raise NotRun(next((line for text in (installing, done.stderr) if (line := _last(text))), "it failed"))
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Run)


def _last(text: str) -> str:
    """The last line that says an error."""
    return next((line.strip()[:200] for line in reversed(text.splitlines()) if "rror" in line), "")


def count(job: str, rows: int) -> int:
    """How many records a job is about."""
    return min(rows, {"get": GETS, "wire": WIRES}.get(job, rows))


def _lines(scale: Scale, job: str, found: dict[str, list[Run]]) -> Iterator[Line]:
    """Ours first, then each peer's time in ours."""
    ours, number = found[OURS.name], count(job, scale.rows)
    for name, runs in found.items():
        run = middle(runs)
        beside = f"{number / (run.processor or 1e-9):,.0f} a second"
        ratio = None if name == OURS.name else median(ratios(runs, ours))
        yield Line(
            f"{JOBS[job]}: {name}", run.processor, ratio, OURS.name if ratio else "", beside,
            least=LEAST.get((job, name)), memory=median_memory(runs),
        )  # fmt: skip
