"""The command line: `planhat`. It needs the extra `cli`, and says so when that is missing.

Each command is a function in a file of its own; what they share is how to connect, what is printed, and how an error
becomes one line and an exit status.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import NoReturn

from .. import __version__

_EXTRA = {"typer", "rich"}
_INTERRUPTED = (130, 143)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 when it did what was asked, 1 when not, 2 when the command line was wrong.

    Without `arguments` it is the command of this process. More codes are in docs/reference/commands.md.
    """
    chosen = sys.argv[1:] if arguments is None else arguments
    if list(chosen) == ["--version"]:
        # Programs ask it: the commands take longer to load than all else.
        sys.exit(_version())
    try:
        with _silent_interrupts():
            from .run import run

            import_module("rich")  # each command imports of it what it needs
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in _EXTRA:
            raise
        sys.exit('planhat: the command line needs two packages more: pip install "planhat_orm[cli]"')
    code = run(chosen)
    if arguments is None and code in _INTERRUPTED:
        _end_at_once(code)
    sys.exit(code)


def _end_at_once(code: int) -> None:
    """End this process without Python's own end, when a thread is still at a request that was given up.

    Python stops such a thread wherever it is. What is collected then may wait for a lock that it holds, for ever.
    """
    if threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _version() -> int | str:
    try:
        print(f"planhat_orm {__version__}", flush=True)
    except OSError as error:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if isinstance(error, BrokenPipeError) else f"planhat: {error.strerror}."
    return 0


@contextmanager
def _silent_interrupts() -> Iterator[None]:
    """Have Ctrl-C end the process without a word, as long as nothing was begun. Who ignores it goes on to."""
    ours = (signal.default_int_handler, signal.SIG_DFL)
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) not in ours:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
