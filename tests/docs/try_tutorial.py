"""Run the tutorial with the package that is installed, in an empty folder: `make dist` does so with a new wheel.

It imports nothing of this repository but the reader of pages, and needs no pytest.
"""

from __future__ import annotations

import os
import runpy
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
TUTORIAL = HERE.parents[1] / "docs" / "tutorial" / "first-hour.md"


def main() -> None:
    """Run every block of the tutorial and compare what it prints with what it says."""
    # The folder of this file would hide modules of the same name, and the repository the installed package.
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() not in (HERE, HERE.parents[1])]
    pages: dict[str, Any] = runpy.run_path(str(HERE / "pages.py"), run_name="pages_of_the_tutorial")
    import planhat_orm
    from planhat_orm.emulator import Emulator

    if HERE.parents[1] in Path(planhat_orm.__file__).parents and "site-packages" not in planhat_orm.__file__:
        sys.exit(f"This is the repository's own package, not an installed one: {planhat_orm.__file__}")
    with TemporaryDirectory() as folder, Emulator(100) as emulator:
        os.chdir(folder)
        os.environ.update(
            PLANHAT_API_URL=emulator.url,
            PLANHAT_API_TOKEN=emulator.api_token,
            PLANHAT_TENANT_TOKEN=emulator.tenant_token,
        )
        warnings.simplefilter("ignore", planhat_orm.FullScanWarning)  # docs/how-to/quotas-and-errors.md tells of it
        namespace = {"__name__": "__main__"}
        said = 0
        for block in pages["blocks"](TUTORIAL):
            if block.language == "python" and not block.mark:
                run(block, namespace, pages["unprinted"])
                said += len(pages["said_lines"](block))
        os.chdir("/")
    print(f"planhat_orm {planhat_orm.__version__} is installed; the tutorial printed the {said} lines that it shows.")


def run(block: Any, namespace: dict[str, Any], unprinted: Callable[[Any, str], str | None]) -> None:
    """Run a block, and end the program where it does not print what it says."""
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(block.text, str(block.page), "exec", dont_inherit=True), namespace)
    text = unprinted(block, printed.getvalue())
    if text is not None:
        sys.exit(f"line {block.line}: {text!r} was not printed. Printed was:\n{printed.getvalue()}")


if __name__ == "__main__":
    main()
