"""What code, docs and tests refer to exists: sections of the page about Planhat's API, and files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from planhat_orm.emulator import Switches

from .pages import ROOT

API_PAGE = ROOT / "docs" / "reference" / "planhat-api.md"

_SECTIONS = re.compile(r"\b[Ss]ections?\s+(?P<numbers>\d+(?:(?:,\s*|\s+(?:and|to)\s+)\d+)*)")
_HEADING = re.compile(r"^## (?P<number>\d+)\. ", re.MULTILINE)
_IN_BACKTICKS = re.compile(r"`(?P<path>[\w./-]+\.(?:md|yaml|json|py))`")
_LINK = re.compile(r"\]\((?P<path>[\w./-]+\.(?:md|yaml|json|py))(?:#[\w-]*)?\)")
_PATH = re.compile(r"(?<![\w./{}<>-])(?P<path>(?:[\w.-]+/)+[\w-]+\.(?:md|yaml|json|py))\b")
_PAGE = re.compile(r"(?<![\w./{}<>*-])(?P<path>[\w-]+\.(?:md|yaml))\b")

ELSEWHERE = {
    "env.py": "Alembic's",
    "last.json": "an export's",
    "files/last.json": "an export's",
    "manifest-2.json": "an export's",
}
"""Files that a text names though they are not in the repository, and whose they are."""


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return tuple(path for path in (ROOT / name for name in listed.stdout.splitlines()) if path.is_file())


def texts() -> Iterator[tuple[Path, str]]:
    """The files that people read, but for this one: it holds references that are wrong on purpose."""
    for path in files():
        if path.suffix in (".py", ".md", ".toml") and path != Path(__file__):
            yield path, path.read_text("utf-8")


def sections(text: str) -> Iterator[int]:
    """The numbers of the sections that a text names."""
    for found in _SECTIONS.finditer(text):
        yield from map(int, re.findall(r"\d+", found["numbers"]))


def existing(page: str) -> list[int]:
    """The numbers of a page's sections."""
    return [int(heading["number"]) for heading in _HEADING.finditer(page)]


def missing(path: Path, text: str, known: frozenset[str], names: frozenset[str]) -> list[str]:
    """The files that a text refers to and that are nowhere: not from the root, not beside it, not by name."""
    wrong = []
    for pattern in (_IN_BACKTICKS, _LINK, _PAGE, _PATH):
        for found in pattern.finditer(text):
            target = found["path"]
            tail = "/" + target.lstrip("./")
            if target in known or target in names or target in ELSEWHERE or (path.parent / target).resolve().exists():
                continue
            if not any(name.endswith(tail) for name in known):
                wrong.append(target)
    return wrong


def test_every_section_that_anything_names_exists() -> None:
    there = set(existing(API_PAGE.read_text("utf-8")))
    wrong = [
        f"{path.relative_to(ROOT)} names section {number}"
        for path, text in texts()
        for number in sections(text)
        if number not in there
    ]
    assert not wrong


def test_every_file_that_anything_names_exists() -> None:
    known = frozenset(path.relative_to(ROOT).as_posix() for path in files())
    names = frozenset(path.name for path in files())
    wrong = [
        f"{path.relative_to(ROOT)} names {target}"
        for path, text in texts()
        for target in missing(path, text, known, names)
    ]
    assert not wrong


def test_the_sections_are_numbered_without_a_gap() -> None:
    numbers = existing(API_PAGE.read_text("utf-8"))
    assert numbers == list(range(len(numbers)))


def test_every_switch_of_the_emulator_stands_beside_the_doubt_it_covers() -> None:
    page = API_PAGE.read_text("utf-8")
    assert [name for name in Switches.__dataclass_fields__ if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("section 4", [4]), ("Sections 3 and 6", [3, 6]), ("sections 5, 7,\n9 and 14", [5, 7, 9, 14]), ("sections", [])],
)
def test_sections_are_found_in_a_text(text: str, numbers: list[int]) -> None:
    assert list(sections(text)) == numbers


@pytest.mark.parametrize(
    "text", ["`nowhere.py`", "[x](../nowhere/page.md#a)", "as nowhere.md says", "(docs/nowhere/at-all.json)"]
)
def test_a_file_that_is_nowhere_is_found_out(text: str) -> None:
    assert missing(ROOT / "README.md", text, frozenset(), frozenset())
