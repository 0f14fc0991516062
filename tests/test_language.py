"""The words of the code: names that a reader of Django, HTTP, SQL and Planhat knows, and none of a private language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("planhat_orm", "tests", "examples", "migrations")

FORBIDDEN = frozenset(
    [
        "Errand",
        "Begin",
        "Await",
        "Work",
        "Slice",
        "Special",
        "Touch",
        "Wish",
        "Waiting",
        "Box",
        "Told",
        "Stacks",
        "Words",
        "SqliteWords",
        "Reader",
        "Rows",
        "Memory",
        "Job",
        "Pass",
        "Traffic",
        "_Descent",
        "Disordered",
        "Unsorted",
        "PATIENCE",
        "Known",
        "HOME",
        "in_turn",
        "lifted",
        "spelt",
        "unheard",
        "in_hand",
        "errors_in",
        "snake",
    ]
)
"""Names of classes, functions, methods, constants and modules that something else is called by now."""
FORBIDDEN_MODULES = frozenset(
    [
        "errands",
        "turns",
        "slices",
        "spellings",
        "resemblance",
        "matching",
        "sink",
        "touch",
        "peers",
        "scans",
        "finding",
        "frames",
        "triage",
        "ledger",
        "present",
        "journal",
        "stacks",
        "garbage",
        "adopt",
        "choice",
        "pages",
        "scan",
        "customs",
        "classes",
        "sheet",
        "rows",
        "touches",
    ]
)


def definitions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The names that a module gives to classes, functions and constants, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id.isupper():
                    yield target.id, node.lineno


def loops(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The names that loops and comprehensions give to what they go over."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            for target in ast.walk(node.target):
                if isinstance(target, ast.Name):
                    yield target.id, target.lineno


def violations(source: str) -> list[str]:
    tree = ast.parse(source)
    return [f"{line}: {name}" for name, line in definitions(tree) if name in FORBIDDEN] + [
        f"{line}: for {name} in" for name, line in loops(tree) if name == "one"
    ]


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_no_name_is_one_that_was_replaced() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{violation}"
        for path in files()
        for violation in violations(path.read_text("utf-8"))
        if path != Path(__file__)
    ]
    assert wrong == []


def test_no_module_is_called_by_a_name_that_was_replaced() -> None:
    modules = {path.stem for path in (ROOT / "planhat_orm").rglob("*.py")}
    assert modules & FORBIDDEN_MODULES == set()


@pytest.mark.parametrize(
    "source",
    ["class Wish:\n    pass", "def in_turn(): ...", "HOME = {}", "[one for one in rows]", "for one in rows: ..."],
)
def test_a_replaced_name_is_noticed(source: str) -> None:
    assert violations(source)


def test_pages_loop_over_things_that_have_a_name() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
        if "for one in" in path.read_text("utf-8")
    ]
    assert wrong == []
