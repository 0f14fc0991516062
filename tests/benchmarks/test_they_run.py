"""The benchmarks run, on few records and without looking at the clock, so that `make bench` cannot rot."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import call_paths, comparison, data_sets, jobs, measure, page, reading, server, sync
from tests.benchmarks.measure import Line, Scale, in_a_process, printed
from tests.benchmarks.run import Run, measured


@contextmanager
def serving(rows: int, data: str = "companies", *, cap: int = 5000, delay: float = 0.0) -> Iterator[str]:
    """The same server in a thread."""
    with server.made(data, rows, cap, delay) as httpd:
        thread = Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Jobs run in this process: starting one takes longer than all that it would do."""

    def here(job: str, *arguments: object) -> Run:
        return measured(jobs.JOBS[job](*map(str, arguments)))

    def of_peer(peer: comparison.Peer, job: str, *arguments: object) -> Run:
        if peer.name not in (comparison.OURS.name, "pydantic"):
            return elsewhere(peer, job, *arguments)
        module = import_module(f"tests.benchmarks.peers.{peer.script}")
        made: Callable[..., Any] = getattr(module, job)
        return measured(made(*map(str, arguments)))

    elsewhere: Callable[..., Run] = comparison.in_its_process
    for module in (measure, sync, benchmarks.imports, comparison, reading):
        monkeypatch.setattr(module, "in_a_process", here)
    for name in ("comparison", "queries", "reading", "records", "sizes", "sync"):
        monkeypatch.setattr(f"tests.benchmarks.{name}.serving", serving)
    monkeypatch.setattr(comparison, "in_its_process", of_peer)
    monkeypatch.setattr(comparison, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(sync, "SLOW", 0.01)
    # The other sets come from the same server, and the next test makes all.
    monkeypatch.setattr(sync, "DATA_SETS", {name: data_sets.DATA_SETS[name] for name in ("companies", "mixed")})
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("subject", benchmarks.SUBJECTS, ids=lambda subject: subject.__name__.rpartition(".")[2])
def test_a_subject_runs_to_its_end_and_writes_its_table(
    subject: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "docs" / "benchmarks.md"
    written.parent.mkdir()
    benchmarks.main(Scale(300, 1), str(written), subject.__name__.rpartition(".")[2])
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in written.read_text("utf-8").splitlines() if line.startswith("| ")]
    assert len(lines) == len(printed) - 4 + 2 > 5
    assert (tmp_path / page.CHART).exists() == (subject is comparison)


@pytest.mark.parametrize("data", data_sets.DATA_SETS)
def test_a_list_is_the_same_as_pages_and_as_records_each_with_an_id_of_its_own(
    data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_sets, "SAMPLE", 40)
    records = data_sets.Records(data, 100)
    page = msgspec.json.decode(b"[" + records.page(records.whole, 15, 90) + b"]")
    assert page == list(records.one_by_one())[15:90]
    assert len({record["_id"] for record in page}) == len({record["updatedAt"] for record in page}) == 75
    latest = [number for number in records.by_stamp() if 15 <= number < 90]
    assert [page[number - 15]["updatedAt"] for number in latest] == sorted(
        (record["updatedAt"] for record in page), reverse=True
    )


def test_a_job_in_a_process_says_what_it_took() -> None:
    run = in_a_process("importing", "json")
    assert run.seconds >= 0 and run.memory > 1_000_000


def test_a_line_is_read_from_left_to_right() -> None:
    line = printed(Line("sync", 2, 0.5, "that", "2 requests"))
    assert " ".join(line.split()) == "sync 2.00 s 0.50 x that 2 requests"


def test_what_is_missed_is_said() -> None:
    assert Line("sync", 1, 1.6, must=1.5).bound == "at most 1.5, missed"
    assert Line("sync", 1, 1.6, least=2).bound == "at least 2, missed"
    assert Line("sync", 1, 1.504, must=1.5, memory=2, memory_must=1).bound == "at most 1.5"
    assert Line("sync", 1, memory=2_000_000, memory_must=1e6).memory_bound == "at most 1, missed"


def test_a_peer_that_is_not_installed_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "ENVIRONMENTS", tmp_path)
    peer = next(peer for peer in comparison.PEERS if peer.name == "Django")
    with pytest.raises(comparison.NotRun, match="make bench-peers"):
        comparison.in_its_process(peer, "store", "", tmp_path / "x.db", 1)
    python = tmp_path / "orm" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho ModuleNotFoundError: no django >&2; exit 1\n", "utf-8")
    python.chmod(0o755)
    with pytest.raises(comparison.NotRun, match="no django"):
        comparison.in_its_process(peer, "store", "", tmp_path / "x.db", 1)


def test_a_subject_that_does_not_run_keeps_its_table(tmp_path: Path) -> None:
    written = tmp_path / "benchmarks.md"
    for title, made in (("B", "first"), ("A", "second"), ("B", "third")):
        page.write(written, ["A", "B"], title, made)
    assert written.read_text("utf-8").endswith("\n## A\n\nsecond\n\n## B\n\nthird\n")


def test_the_calls_between_files_of_one_operation_are_counted() -> None:
    counts = call_paths.counted(call_paths.ROOT)
    for subject, most in {"filter": 180, "save": 290, "batch": 450}.items():
        count = counts[subject]
        assert 0 < count.again < count.within < most and count.within < count.with_libraries, subject
