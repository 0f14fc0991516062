"""Every command explains itself, and a wrong command line says what was meant."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from planhat_orm import __version__
from planhat_orm.cli.app import app

from .conftest import Run, subprocess_run


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = list(commands(get_command(app)))
SCREEN, MANY = 24, 10
"""The lines of a screen, and the options and arguments above which a help needs more than one."""


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help(run: Run, path: tuple[str, ...]) -> None:
    shown = run(*path, "--help")
    assert shown.code == 0
    assert "Usage: planhat" in shown.out
    assert len(shown.out.splitlines()) > 5
    assert shown.err == ""


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_help_has_an_example_that_is_right_and_fits_a_screen(
    run: Run, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    command, context = _command(path)
    if not path or (hasattr(command, "commands") and not command.invoke_without_command):
        return  # what it lists is what is to be done
    lines = run(*path, "--help").out.splitlines()
    start = next(number for number, line in enumerate(lines) if "For example:" in line)
    assert start < SCREEN
    if len(command.params) <= MANY:
        assert len(lines) <= SCREEN
    words = shlex.split(next(line for line in lines[start:] if "planhat " in line).partition("planhat ")[2])
    assert tuple(words[: len(path)]) == path
    command.make_context("planhat", words[len(path) :], parent=context)


def _command(path: tuple[str, ...]) -> tuple[Any, Any]:
    """The command of a path, and the context that it runs in."""
    command: Any = get_command(app)
    context: Any = None
    for name in path:
        context = command.make_context("planhat", [name], parent=context)
        command = command.commands[name]
    return command, context


def test_brackets_of_a_help_are_no_markup(run: Run) -> None:
    assert "tickets[status='open']" in run("query", "--help").out


def test_help_names_every_command(run: Run) -> None:
    shown = run().out
    for path in ALL:
        if len(path) == 1:
            assert path[0] in shown


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").out == f"planhat_orm {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["qery"], "'query'"),
        (["query", "Company", "--limt", "3"], "'--limit'"),
        (["sync", "--ful"], "'--full'"),
        (["metrics", "psh"], "'push'"),
        (["query", "Company", "--format", "jsn"], "json"),
        (["query", "Company", "--limit", "few"], "integer"),
        (["show", "Company"], "KEY"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_the_right_word(run: Run, arguments: list[str], meant: str) -> None:
    shown = run(*arguments)
    assert shown.code == 2
    assert shown.err.startswith("planhat: ")
    assert len(shown.err.splitlines()) == 1
    assert meant in shown.err


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['rich'] = None; from planhat_orm.cli import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert 'pip install "planhat_orm[cli]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_emulators_packages_the_demo_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['uvicorn'] = None; from planhat_orm.cli import main; main(['demo'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert 'pip install "planhat_orm[emulator]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_names_that_the_terminal_cannot_show_do_not_stop_a_command(tmp_path: Path) -> None:
    shown = subprocess_run("query", "--help", cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"})
    assert shown.code == 0


def test_a_fault_of_the_library_is_one_line_without_the_errors_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a customer's name")

    monkeypatch.setattr("planhat_orm.cli.query.model", broken)
    shown = run("query", "Company")
    assert shown.code == 1
    assert "unexpected KeyError" in shown.err
    assert "customer" not in shown.err
