"""The command `planhat`, as it is installed: Ctrl-C ends it without a word while Python still imports.

It is no part of the package, since Python imports a package whole before any module of it.
"""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    # Whoever ignores Ctrl-C, as nohup does, goes on to. The command line takes it back when it runs.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from planhat_orm.cli import main as run

    run()
