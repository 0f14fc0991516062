"""The types of ordinary code, under mypy --strict and pyright: what they are, and which mistakes are found."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
POSITIVE, NEGATIVE, PLUGIN = (FOLDER / name for name in ("positive.py", "negative.py", "with_plugin.py"))


def mypy(path: Path) -> dict[int, str]:
    """What mypy says of a file, with the plugin."""
    return _mypy("--config-file", str(FOLDER / "mypy.ini"))[path]


def bare_mypy(path: Path) -> dict[int, str]:
    """What mypy says without the plugin, with the project's options, and so with what `make check` left in the cache."""
    return _mypy("--strict")[path]


@cache
def _mypy(*options: str) -> dict[Path, dict[int, str]]:
    paths = (POSITIVE, NEGATIVE, PLUGIN)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--no-error-summary", "--hide-error-context", *map(str, paths)],
        cwd=FOLDER.parents[1], capture_output=True, text=True,
    )  # fmt: skip
    found = {path: re.findall(rf"{re.escape(path.name)}:(\d+): error: (.*)", done.stdout) for path in paths}
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {path: {int(line): text for line, text in lines} for path, lines in found.items()}


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


CHECKERS = pytest.mark.parametrize(
    "check",
    [pytest.param(mypy, marks=pytest.mark.torture), pyright, bare_mypy],
    ids=["mypy with the plugin", "pyright", "mypy"],
)


def marked(path: Path) -> set[int]:
    """The numbers of the lines that are to be errors."""
    lines = path.read_text("utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# E")}


@CHECKERS
def test_ordinary_code_has_the_types_that_one_expects(check: Callable[[Path], dict[int, str]]) -> None:
    assert POSITIVE.read_text("utf-8").count("assert_type(") >= 60
    assert check(POSITIVE) == {}


@CHECKERS
def test_mistakes_are_type_errors(check: Callable[[Path], dict[int, str]]) -> None:
    expected = marked(NEGATIVE)
    assert len(expected) >= 30
    found = check(NEGATIVE)
    assert set(found) == expected, {number: found.get(number) for number in set(found) ^ expected}


@pytest.mark.torture
def test_the_plugin_sees_names_in_filters_and_types_of_annotations() -> None:
    expected, found = marked(PLUGIN), mypy(PLUGIN)
    assert len(expected) >= 15
    assert set(found) == expected, {number: found.get(number) for number in set(found) ^ expected}
    assert "Company has no field 'mmr'. Did you mean 'mrr'?  [misc]" in found.values()
