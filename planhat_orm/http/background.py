"""A request that runs in a thread of its own, beside the flow that began it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextvars import copy_context
from typing import Any

from .. import forks
from .effects import Flow, Response, Sleep
from .flows import intercept


class BackgroundRequest:
    """The delivery of one request, begun at once, or when one of the others that hold `slots` is back.

    No `ThreadPoolExecutor` does this: Python waits at exit for the threads of one, so Ctrl-C would last as long as
    a server that does not answer.
    """

    def __init__(
        self,
        run: Callable[[Flow[Response]], Response],
        deliver: Callable[[], Flow[Response]],
        slots: threading.Semaphore,
    ) -> None:
        self._future: Future[Response] = Future()
        # Held until it is done. A future's own wait, cut off by Ctrl-C, may say that it released what it did not hold.
        self._pending = forks.Lock()
        self._pending.acquire()
        self._given_up = False
        self._pid = os.getpid()
        self._deliver_here: Callable[[], Response] = lambda: run(deliver())
        # In the clients and blocks of the code that asks.
        work, context = (self._deliver, run, deliver(), slots), copy_context()
        threading.Thread(target=context.run, args=work, name="planhat-request", daemon=True).start()

    def result(self) -> Response:
        """Wait for the answer, or meet its error.

        The thread that waits for it does not live on in a forked child, which so asks for itself: only what may be
        sent twice is begun.
        """
        if self._is_inherited():
            return self._deliver_here()
        with self._pending:
            return self._future.result()

    def done(self) -> bool:
        """Whether it has been answered, or never will be in this process."""
        return self._is_inherited() or self._future.done()

    def _is_inherited(self) -> bool:
        return self._pid != os.getpid()

    def cancel(self) -> None:
        """Give it up: what is on its way is not waited for and not sent again."""
        self._given_up = True

    def _deliver(
        self, run: Callable[[Flow[Response]], Response], flow: Flow[Response], slots: threading.Semaphore
    ) -> None:
        with slots:
            try:
                self._check()
                self._future.set_result(run(intercept(flow, Sleep, self._sleep)))
            except BaseException as failure:  # whatever it is, it is for whoever waits
                self._future.set_exception(failure)
            finally:
                self._pending.release()

    def _sleep(self, effect: Sleep) -> Flow[Any]:
        # A request goes again only after a pause, and only here it holds no slot of the quota.
        self._check()
        now = yield effect
        self._check()
        return now

    def _check(self) -> None:
        if self._given_up:
            raise CancelledError
