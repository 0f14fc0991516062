"""Every Python block of the pages runs, page by page, against an emulated tenant.

The blocks of a page share one namespace. A comment `# -> text` at the end of a line says what that line prints
(`...` stands for anything), and is checked. A block marked `no-run` needs a comment that says why; a block
marked `test` is a file of tests of its own, and pytest runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from planhat_orm import FullScanWarning
from planhat_orm.emulator import Emulator

from .pages import PAGES, ROOT, Block, blocks, unprinted


def _python(page: Path, *marks: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python" and block.mark in marks]


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.usefixtures("clean_up")
@pytest.mark.parametrize("page", [page for page in PAGES if _python(page, "")], ids=_named)
def test_python_blocks_of_a_page_run_and_print_what_they_say(page: Path, tenant: Emulator) -> None:
    namespace = {"__name__": "__main__"}
    for block in _python(page, ""):
        # The blank lines make the line numbers of a traceback those of the page.
        code = compile("\n" * (block.line - 1) + block.text, str(page), "exec", dont_inherit=True)
        printed = StringIO()
        with redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore", FullScanWarning)  # docs/how-to/quotas-and-errors.md tells of it
            exec(code, namespace)
        _check_printed(block, printed.getvalue())


def _check_printed(block: Block, printed: str) -> None:
    text = unprinted(block, printed)
    assert text is None, f"{block}: {text!r} was not printed, or not in this place. Printed was:\n{printed}"


@pytest.mark.parametrize("page", [page for page in PAGES if _python(page, "test")], ids=_named)
def test_tests_that_a_page_shows_pass(page: Path, tmp_path: Path) -> None:
    for block in _python(page, "test"):
        (tmp_path / f"test_line_{block.line}.py").write_text(block.text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "planhat_pytest", "-c", "/dev/null", "--rootdir"]
    # Other plugins that happen to be installed would only take their time.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, ".", "."], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_blocks_are_marked_with_known_words_and_skipped_for_a_reason(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            assert block.mark in ("", "test", "no-run"), f"{block}: there is no mark {block.mark!r}"
        if block.mark == "no-run":
            assert block.before.startswith("<!--"), f"{block}: no comment above it says why it is not run"
