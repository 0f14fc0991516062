"""What people see: terminals of 60, 80 and 120 columns, dumb ones, without colours, pipes, and a full disk.

By default every command that ends runs at one width in this process, and a tenth in a real terminal; all with --torture.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from rich.cells import cell_len

from planhat_orm.cli import out
from planhat_orm.cli.tables import lines

from .conftest import COMMAND, TOKEN, Run, clean, subprocess_run
from .driven import (
    ASKING,
    ENDING,
    EVERY,
    SERVES,
    SERVING,
    SILENT,
    TEXT,
    WIDTHS,
    Forker,
    Prepared,
    Words,
    ended,
    fits,
    leaves,
    name_of,
    opener,
    tenth,
)

LONG = {"models", "export", "doctor", "report", "demo"}

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of forkpty:DeprecationWarning")


def test_every_command_fits_its_terminal(
    prepared: Prepared, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    whole = pytestconfig.getoption("--torture")
    for name, value in prepared.environment().items():
        monkeypatch.setenv(name, value)
    for number, words in enumerate(ENDING):
        if words[0] in LONG and not whole:
            continue
        for width in WIDTHS if whole else (WIDTHS[number % 3],):
            monkeypatch.chdir(prepared.copy(tmp_path / f"{number}-{width}"))
            monkeypatch.setattr(out, "width", lambda width=width: width)
            monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
            shown = run(*words)
            assert shown.code == 0, (words, shown.err)
            if words not in TEXT:
                fits(shown.out, width)


def test_every_command_is_driven() -> None:
    assert {name_of(words) for words in EVERY} == leaves()


ROWS = [
    ["65f0c1a2912265b1f5000019", "Alderbay Analytics", "2,930"],
    ["65f0c1a2912265b1f500001a", "食" * 20 + " Ltd", ""],
]
HEAD = ("id", "name", "mrr")


@pytest.mark.parametrize("width", range(12, 90))
def test_no_line_is_longer_than_the_terminal_and_nothing_is_lost(width: int) -> None:
    written, as_blocks = lines(HEAD, ROWS, [False, False, True], width)
    text = "\n".join(written)
    if width >= 30:
        assert all(row[0] in text for row in ROWS)
        assert all(cell_len(line) <= width for line in written)
    assert "".join(sorted(text.replace("─", "").split())).count("食") == 20 and "2,930" in text
    assert as_blocks == (width < 24 + 24 + 5 + 2 + 2)


def test_columns_that_do_not_fit_become_blocks_and_a_line_says_so(synced: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", lambda: 60)
    shown = synced("query", "Company", "external_id='acct-1001'")
    assert shown.out.split("\n")[1].split() == ["id", shown.out.split()[1]]
    assert "7 columns do not fit 60 characters" in shown.err
    assert "do not fit" not in synced("query", "Company", "--columns", "id,mrr").err


KINDS = {"dumb": {"TERM": "dumb"}, "no colour": {"NO_COLOR": "1"}, "xterm": {}}
COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7])[;m]")


def in_a_terminal(prepared: Prepared, forker: Forker, folder: Path, words: Words, kind: str, width: int) -> str:
    """Drive a command in a real terminal to its end, as a person would; return what was seen."""
    terminals = opener(prepared, prepared.copy(folder), forker)
    try:
        spawned = next(terminals)(*prepared.words(words), width=width, **KINDS[kind])
        seen, typed = "", list[str]()
        for question, answer in ASKING.get(words, []):
            spawned.expect(question)
            seen += spawned.before + spawned.after
            spawned.sendline(prepared.typed(answer))
            typed.append(prepared.typed(answer))
        if words in SERVING:
            spawned.expect(SERVES)
            seen += spawned.before + spawned.after
            spawned.sendintr()
        text, code = ended(spawned)
        assert code == 0, (words, seen + text)
        assert TOKEN not in seen + text
        # What is typed may be as long as it likes.
        return re.sub("|".join(map(re.escape, ["^C", *typed])), "", seen + text)
    finally:
        next(terminals, None)


@pytest.mark.parametrize("kind", KINDS)
def test_commands_in_a_real_terminal(
    prepared: Prepared, forker: Forker, tmp_path: Path, kind: str, pytestconfig: pytest.Config
) -> None:
    widths = WIDTHS if pytestconfig.getoption("--torture") else (Random(kind).choice(WIDTHS),)
    for words in tenth(EVERY, pytestconfig, kind):
        for width in widths:
            text = in_a_terminal(prepared, forker, tmp_path / f"{EVERY.index(words)}-{width}", words, kind, width)
            assert "Traceback" not in text
            if words not in TEXT:
                fits(text, width)
            if kind == "dumb":
                assert "\x1b" not in text
            if kind == "no colour":
                assert not COLOUR.search(text)


def test_commands_whose_reader_has_had_enough(
    prepared: Prepared, forker: Forker, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    for words in tenth(ENDING, pytestconfig, "head"):
        folder = prepared.copy(tmp_path / str(ENDING.index(words)))
        pipe, err = folder / "pipe", folder / "err"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        pid = forker.command(words, ["/dev/null", str(pipe), str(err)], folder, prepared.environment())
        os.set_blocking(reader, True)
        with os.fdopen(reader, "rb") as output:
            assert b"\x1b" not in output.readline()
        assert forker.wait(pid) == 0, (words, err.read_text("utf-8"))
        assert not re.search("Traceback|Broken pipe|\x1b", err.read_text("utf-8")), words


def test_commands_whose_output_has_no_room(
    prepared: Prepared, forker: Forker, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    commands = [words for words in EVERY if words not in {*SILENT, *ASKING}]
    for number, words in enumerate([*tenth(commands, pytestconfig, "full"), ("--help",)]):
        folder = prepared.copy(tmp_path / str(number))
        files = ["/dev/null", "/dev/full", str(folder / "err")]
        code = forker.wait(forker.command(words, files, folder, prepared.environment()))
        err = (folder / "err").read_text("utf-8")
        assert code == 1 and err.endswith("planhat: No space left on device.\n"), (words, code, err)
        assert "Traceback" not in err


def test_the_version_says_that_the_disk_is_full(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--version"], cwd=tmp_path, env=clean(os.environ), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (1, "planhat: No space left on device.\n")


WRITING: list[Words] = [
    ("export", "out"), ("export", "new", "--since", "last"), ("backup", "copy.db"), ("report", "--out", "page.html"),
    ("models", "--out", "models.py"), ("sync", "--mirror", "other.db"), ("demo", "--companies", "20", "--keep", "kept"),
    ("init", "eu", "--keep", "file", "--no-check"),
]  # fmt: skip


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own that is filled up to the last byte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.torture
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system as Linux does")
@pytest.mark.parametrize("words", WRITING, ids=" ".join)
def test_files_that_the_disk_has_no_room_for(prepared: Prepared, full_disk: Path, words: Words) -> None:
    folder = prepared.copy(full_disk / "work")
    mirror = (folder / "planhat.db").read_bytes()
    fill_up(full_disk / "filler")
    environment = {**prepared.environment(), "PLANHAT_CONFIG": str(folder / "profiles.toml")}
    done = subprocess.run(
        [*COMMAND, *words], cwd=folder, env=environment, input=f"{TOKEN}\n", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr and "fault of planhat_orm" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("planhat: ") and re.search(r"No space left|disk is full|disk I/O", last), done.stderr
    (full_disk / "filler").unlink()
    assert (folder / "planhat.db").read_bytes() == mirror
    assert not [path for path in folder.rglob("*") if path.suffix in (".html", ".py") or path.name == "copy.db"]
    again = subprocess_run("status", cwd=folder, environment=environment)
    assert again.code == 0, again.err


def fill_up(path: Path) -> None:
    """Write zeros until there is no room for one more."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def test_the_command_of_the_package_is_the_one_that_is_installed(tmp_path: Path) -> None:
    import tomllib

    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"planhat": "planhat_command:main"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]["planhat_command.py"]


def test_a_version_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    assert subprocess_run("--version", cwd=tmp_path).code == 0
