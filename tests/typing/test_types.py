"""The types of ordinary code, under mypy --strict and pyright: what they are, and which mistakes are found."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
POSITIVE, NEGATIVE = FOLDER / "positive.py", FOLDER / "negative.py"


def mypy(path: Path) -> dict[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", str(path)],
        cwd=FOLDER.parents[1], capture_output=True, text=True,
    )  # fmt: skip
    found = re.findall(rf"{re.escape(path.name)}:(\d+): error: (.*)", done.stdout)
    assert found or done.returncode == 0, done.stdout + done.stderr
    return {int(line): text for line, text in found}


def pyright(path: Path) -> dict[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(path)],
        cwd=FOLDER.parents[1], capture_output=True, text=True,
    )  # fmt: skip
    report = json.loads(done.stdout)
    return {
        line["range"]["start"]["line"] + 1: line["message"]
        for line in report["generalDiagnostics"]
        if line["severity"] == "error"
    }


CHECKERS = pytest.mark.parametrize("check", [mypy, pyright], ids=["mypy", "pyright"])


@CHECKERS
def test_ordinary_code_has_the_types_that_one_expects(check: Callable[[Path], dict[int, str]]) -> None:
    assert POSITIVE.read_text("utf-8").count("assert_type(") >= 60
    assert check(POSITIVE) == {}


@CHECKERS
def test_mistakes_are_type_errors(check: Callable[[Path], dict[int, str]]) -> None:
    lines = NEGATIVE.read_text("utf-8").splitlines()
    expected = {number for number, line in enumerate(lines, 1) if line.endswith("# E")}
    assert len(expected) >= 30
    found = check(NEGATIVE)
    assert set(found) == expected, {number: found.get(number) for number in set(found) ^ expected}
