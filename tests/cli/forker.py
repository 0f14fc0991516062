"""What starts commands in terminals and on files without loading them each time: `forked.py`, as tests see it."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

fdpexpect: Any = pytest.importorskip("pexpect.fdpexpect", reason="a terminal of our own needs a system with ptys")


class Forker:
    """The process that children are forked from, as the tests see it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forked.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        """Send a request and return the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def command(
        self, words: Sequence[str], files: Sequence[str], folder: Path, environment: Mapping[str, str], hold: str = ""
    ) -> int:
        """Start a command on three files, by their paths, and return its process id once it has opened them."""
        asked = self.ask(
            words=list(words), files=list(files), folder=str(folder), environment=dict(environment), hold=hold
        )
        return int(asked)

    def wait(self, pid: int) -> int:
        """The exit code of a command; a signal that ended it as a negative number."""
        return int(self.ask(wait=pid))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class Opened(fdpexpect.fdspawn):  # type: ignore[misc]
    """A terminal with a command in it, as `pexpect.spawn` has them."""

    def __init__(
        self, forker: Forker, words: Sequence[str], width: int, folder: Path, environment: Mapping[str, str], hold: str
    ) -> None:
        own, its = os.openpty()
        fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        name = os.ttyname(its)
        self._forker = forker
        self.exitstatus: int | None = None
        self._pid = forker.command(words, [name, name, name], folder, environment, hold)
        os.close(its)
        super().__init__(own, timeout=60, encoding="utf-8")

    def sendintr(self) -> None:
        """Press Ctrl-C."""
        self.send("\x03")

    def wait(self) -> int:
        """Wait for the command's end."""
        if self.exitstatus is None:
            self.exitstatus = self._forker.wait(self._pid)
        return self.exitstatus

    def close(self) -> None:
        """Close the terminal, which ends whatever runs in it."""
        if self.exitstatus is None:
            os.kill(self._pid, 9)
            self.wait()
        super().close()
