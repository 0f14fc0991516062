"""Every example runs to its end against an emulated tenant, and is introduced in the list of examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from planhat_orm.emulator import Emulator

from .pages import ROOT, links

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
ARGUMENTS = {"reconcile_csv.py": ["--apply"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example: Path, tenant: Emulator, tmp_path: Path) -> None:
    # Warnings are errors here too: what an example shows should not warn.
    command = [sys.executable, "-W", "error", str(example), *ARGUMENTS.get(example.name, [])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tenant.calls > 0


def test_examples_are_listed_and_say_what_they_are_for() -> None:
    notebooks = {path.name for path in (ROOT / "examples").glob("*.ipynb")}
    assert {path.name for path in EXAMPLES} | notebooks == set(links(ROOT / "examples" / "README.md"))
    for example in EXAMPLES:
        text = example.read_text("utf-8")
        assert text.startswith('"""') and "def main() -> int:" in text, example.name
