"""The command line: `planhat`. It needs the extra `cli`, and says so when that is missing.

Each command is a function in a file of its own; what they share is how to connect, what is printed, and how an error
becomes one line and an exit status.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from .. import __version__

_EXTRA = {"typer", "rich"}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 when it did what was asked, 1 when not, 2 when the command line was wrong.

    More codes are in docs/reference/commands.md.
    """
    chosen = sys.argv[1:] if arguments is None else arguments
    if list(chosen) == ["--version"]:
        # Programs ask it: the commands take longer to load than all else.
        print(f"planhat_orm {__version__}")
        sys.exit(0)
    try:
        from .run import run
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in _EXTRA:
            raise
        sys.exit('planhat: the command line needs two packages more: pip install "planhat_orm[cli]"')
    sys.exit(run(chosen))
