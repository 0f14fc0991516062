"""The benchmarks run, on few records and without looking at the clock, so that `make bench` cannot rot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import call_paths, jobs, measure, sync
from tests.benchmarks.measure import Line, Run, Scale, in_a_process, measured, printed


@pytest.mark.parametrize("subject", benchmarks.SUBJECTS, ids=lambda subject: subject.__name__.rpartition(".")[2])
def test_a_subject_runs_to_its_end(
    subject: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def here(job: str, *arguments: object) -> Run:
        """In this process: starting one takes longer than all that it would do."""
        return measured(jobs.JOBS[job](*map(str, arguments)))

    for module in (measure, sync, benchmarks.imports):
        monkeypatch.setattr(module, "in_a_process", here)
    monkeypatch.setattr(benchmarks, "SUBJECTS", (subject,))
    monkeypatch.setattr(sync, "SLOW", 0.01)
    benchmarks.main(Scale(300, 1))
    assert len(capsys.readouterr().out.splitlines()) > 5


def test_a_job_in_a_process_says_what_it_took() -> None:
    run = in_a_process("importing", "json")
    assert run.seconds >= 0 and run.memory > 1_000_000


def test_a_line_is_read_from_left_to_right() -> None:
    line = printed(Line("sync", 2, 0.5, "that", "2 requests"))
    assert " ".join(line.split()) == "sync 2.00 s 0.50 x that 2 requests"


def test_the_calls_between_files_of_one_operation_are_counted() -> None:
    counts = call_paths.counted("save", call_paths.ROOT)
    assert 0 < counts.again < counts.within < 300 and counts.within < counts.with_libraries
