"""Running a piece of a test in another thread or process."""

from __future__ import annotations

import os
import pickle
import select
import signal
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Do work in a bare thread and return, or raise, what it did."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work(*arguments))
        except BaseException as failure:
            failed.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it hangs"
    if failed:
        raise failed[0]
    return done[0]


def in_fork(work: Callable[[], Any]) -> Any:
    """Do work in a forked child and return what it returned, or the name of the error that it raised."""
    return join(fork(work))


def fork(work: Callable[[], Any]) -> tuple[int, int]:
    """Begin work in a forked child."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on: this process has threads
        pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.close(reader)
        try:
            result: Any = work()
        except BaseException as failure:
            result = f"{type(failure).__name__}: {failure}"
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(result, pipe)
    finally:
        os._exit(0)


def join(child: tuple[int, int], seconds: float | None = None) -> Any:
    """Wait for a forked child and return what it returned; kill it when it does not end in so many seconds."""
    pid, reader = child
    with os.fdopen(reader, "rb") as pipe:
        if not select.select([pipe], [], [], seconds)[0]:
            os.kill(pid, signal.SIGKILL)
        said = pipe.read()
    os.waitpid(pid, 0)
    return pickle.loads(said) if said else "it hangs"
