"""A server of raw bytes: whatever it is asked, it sends what a test wrote, at the pace that the test chose.

It is made of sockets alone, so that no HTTP library on this side mends or refuses what is to be sent.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self

Step = bytes | float
"""Bytes to send, or seconds to wait."""
Answer = Callable[["Asked"], Iterator[Step]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: its first line cut in three, its headers by lower-case names, its body."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path without its parameters."""
        return self.target.partition("?")[0]


class HostileServer:
    """Answers every request with `answer`, on one port of this machine, a thread for each connection."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._is_over = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for line in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        self._open.add(line)
        try:
            # Whoever is served so may leave at any moment, which is not this side's failure.
            with contextlib.suppress(OSError, ssl.SSLError, ValueError):
                if self._tls is not None:
                    line = self._tls.wrap_socket(line, server_side=True)
                self._converse(line)
        finally:
            self._open.discard(line)
            line.close()

    def _converse(self, line: socket.socket) -> None:
        reader = line.makefile("rb")
        while not self._is_over.is_set() and (asked := _read(reader)) is not None:
            self.asked.append(asked)
            for step in self.answer(asked):
                if isinstance(step, bytes):
                    line.sendall(step)
                elif step < 0 or self._is_over.wait(step):
                    return


def _read(reader: IO[bytes]) -> Asked | None:
    first = reader.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = {}
    while (text := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", "0")))
    return Asked(first[0], first[1], headers, body)


CLOSE = -1.0
"""A step that ends the connection."""


def respond(
    body: bytes = b"", status: str = "200 OK", *, length: int | str | None = None, close: bool = False, **headers: str
) -> bytes:
    """An answer that is right but for what was given: `retry_after="1"` is the header `Retry-After: 1`."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if length != "":
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def always(*steps: Step) -> Answer:
    """An answer that is the same whatever is asked."""

    def answer(_: Asked) -> Iterator[Step]:
        yield from steps

    return answer


def now() -> float:
    """The clock by which tests judge how long something took."""
    return time.monotonic()
