"""Commands in processes of their own without the seconds that loading them takes: forked from one that has loaded them.

`python forked.py` reads requests, a line of JSON each, and becomes a command for each in a child. What is real: the
process, its terminal, its signals, its exit. What is not: that it was started by its name; other tests do that.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def _become(request: Mapping[str, Any]) -> None:
    """Be a command's process: its session, terminal, files, folder and environment."""
    os.setsid()
    for number, path in enumerate(request["files"]):
        opened = os.open(path, os.O_RDWR if Path(path).is_char_device() else os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # Whether lines are written at once is decided when a stream is made.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _hold_up(*_: object, **__: object) -> None:
    import time

    print("held up", file=sys.stderr, flush=True)
    # A signal that comes just before a sleep does not wake Python from it.
    for _step in range(1200):
        time.sleep(0.05)


def _hold(where: str) -> None:
    """Have the command wait for a minute at a place in its code, once it is there."""
    import planhat_orm
    from planhat_orm import webhooks
    from planhat_orm.emulator import server

    class Printing:
        def __init__(self, to: Any) -> None:
            self.to = to

        def write(self, text: str) -> int:
            # Only once: what a command says of its end is not held up.
            sys.stdout = self.to
            _hold_up()
            return len(text)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.to, name)

    if where == "connect":
        for holder, name in ((planhat_orm.Planhat, "__init__"), (server.Emulator, "__init__"), (webhooks, "template")):
            setattr(holder, name, _hold_up)
    elif where == "print":
        sys.stdout = Printing(sys.stdout)


def _serve() -> Mapping[str, Any]:
    """Answer requests, and return one in the child that is to answer it."""
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    for line in requests:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            opened, opens = os.pipe()
            answer = os.fork()
            if not answer:
                _become(request)
                os.write(opens, b"x")
                for file in (opened, opens, requests.fileno(), answers.fileno()):
                    os.close(file)
                return request  # type: ignore[no-any-return]
            os.close(opens)
            os.read(opened, 1)
            os.close(opened)
        print(answer, file=answers, flush=True)
    os._exit(0)


def _main() -> None:
    sys.path.pop(0)
    from planhat_orm import mirror, webhooks
    from planhat_orm.cli.run import _command, run
    from planhat_orm.emulator import server

    _command(), mirror, server, webhooks  # loaded once, for all
    gc.freeze()
    request = _serve()
    if request["hold"]:
        _hold(request["hold"])
    sys.exit(run(request["words"]))


if __name__ == "__main__":
    _main()
