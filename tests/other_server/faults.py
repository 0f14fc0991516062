"""Faults of the way and of the server, one for each request that a predicate chooses.

A fault either changes the answer (`Reply`), or plays a part of its own on the connection (`Play`). Each says whether the
request is processed first: an answer that is lost after the write was stored is not the same as a request that never came.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.other_server.http1 import Answer, Request, chunk, encode, status_line

Predicate = Callable[[Request], bool]
Writer = asyncio.StreamWriter
Play = Callable[[Writer, Request, Answer], Awaitable[None]]


@dataclass
class Fault:
    """What happens to a request. `processed`: the request does its work first. `reply` changes the answer, `play` sends."""

    processed: bool = True
    reply: Callable[[Answer], Answer] | None = None
    play: Play | None = None
    name: str = ""


@dataclass
class Rule:
    """A fault for the requests of `when`: `skip` of them pass, then `times` are hit (None: all), each with chance `share`."""

    fault: Fault
    when: Predicate
    times: int | None = 1
    skip: int = 0
    share: float = 1.0
    hits: int = 0
    seen: int = field(default=0, repr=False)

    def applies(self, request: Request, draw: float) -> bool:
        if (self.times is not None and self.hits >= self.times) or not self.when(request):
            return False
        self.seen += 1
        hit = self.seen > self.skip and draw < self.share
        self.hits += hit
        return hit


def on(method: str = "", path: str = "") -> Predicate:
    """Requests of a method and a path that begins like this; empty: any."""
    return lambda request: method in ("", request.method) and request.path.startswith(path)


# Answers of another kind


def status(
    code: int, body: bytes | str = b"", headers: dict[str, str] | None = None, *, processed: bool = False
) -> Fault:
    """Any status, body and headers: 500, 502, 503, 429 with an odd Retry-After, 304, 302 with a Location."""
    data = body.encode() if isinstance(body, str) else body
    given = {"Content-Type": "text/plain", **(headers or {})}
    return Fault(processed, lambda _: Answer(code, data, given), name=f"status {code}")


def body(data: bytes | str, content_type: str = "application/json") -> Fault:
    """A 200 with another body."""
    return status(200, data, {"Content-Type": content_type}, processed=True)


def headers(more: dict[str, str]) -> Fault:
    """The true answer with these headers as well, or instead."""
    return Fault(reply=lambda answer: Answer(answer.status, answer.body, {**answer.headers, **more}), name="headers")


def changed(change: Callable[[Any], Any]) -> Fault:
    """The true answer with its JSON changed."""

    def reply(answer: Answer) -> Answer:
        return Answer(answer.status, json.dumps(change(json.loads(answer.body))).encode(), answer.headers)

    return Fault(reply=reply, name="changed")


def content_type(text: str) -> Fault:
    """The true answer under another Content-Type."""
    return headers({"Content-Type": text})


def deep_json(depth: int) -> Fault:
    """A list with arrays nested so deep."""
    return body(b'[{"_id": "650000000000000000000001", "custom": {"x": ' + b"[" * depth + b"]" * depth + b"}}]")


# What the connection does


def _fault(play: Play, *, processed: bool = True, name: str = "") -> Fault:
    return Fault(processed, play=play, name=name)


def close_before() -> Fault:
    """The connection closes before the request is processed."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        return

    return _fault(play, processed=False, name="close before")


def close_after() -> Fault:
    """The request is processed, and its answer lost."""
    return Fault(True, play=close_before().play, name="close after")


def reset(*, processed: bool = True) -> Fault:
    """The connection is reset rather than closed."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return _fault(play, processed=processed, name="reset")


def truncated(part: float = 0.5) -> Fault:
    """The body ends after this part of what Content-Length promises."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        data = encode(answer, request, chunked=False, compress=False, close=False)
        writer.write(data[: len(data) - len(answer.body) + int(len(answer.body) * part)])
        await writer.drain()

    return _fault(play, name="truncated")


def trickle(seconds: float = 0.25, size: int = 1, *, whole_head: bool = True) -> Fault:
    """So many bytes at a time with a pause between; the head comes at once unless told otherwise."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        data = encode(answer, request, chunked=False, compress=False, close=True)
        start = len(data) - len(answer.body) if whole_head else 0
        writer.write(data[:start])
        for at in range(start, len(data), size):
            writer.write(data[at : at + size])
            await writer.drain()
            await asyncio.sleep(seconds)

    return _fault(play, name="trickle")


def slow(seconds: float, *, processed: bool = True) -> Fault:
    """The whole answer, after a pause."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        await asyncio.sleep(seconds)
        writer.write(encode(answer, request, chunked=False, compress=False, close=True))
        await writer.drain()

    return _fault(play, processed=processed, name="slow")


def until(over: threading.Event, *, processed: bool = True) -> Fault:
    """The whole answer, once the event is set."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        while not over.is_set():
            await asyncio.sleep(0.005)
        writer.write(encode(answer, request, chunked=False, compress=False, close=True))
        await writer.drain()

    return _fault(play, processed=processed, name="until")


def hang(*, processed: bool = True) -> Fault:
    """No answer at all; the connection stays open until the client or the server goes."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        await asyncio.sleep(3600)

    return _fault(play, processed=processed, name="hang")


def informational(code: int = 103, seconds: float = 0.01, times: int | None = None) -> Fault:
    """So many 1xx answers, endlessly many without `times`, before the true one."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        for _ in itertools.repeat(None) if times is None else range(times):
            writer.write(f"{status_line(code)}\r\nLink: </x>\r\n\r\n".encode())
            await writer.drain()
            await asyncio.sleep(seconds)
        writer.write(encode(answer, request, chunked=False, compress=False, close=True))
        await writer.drain()

    return _fault(play, name=f"informational {code}")


def endless_chunks(piece: bytes = b" " * 1024, seconds: float = 0.0) -> Fault:
    """A chunked body without an end."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"["
        while True:
            yield piece
            await asyncio.sleep(seconds)

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        head = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        writer.write(Answer(200, headers=head).head())
        async for data in pieces():
            writer.write(chunk(data))
            await writer.drain()

    return _fault(play, name="endless chunks")


def gzip_bomb(size: int = 400_000_000) -> Fault:
    """A small body that unpacks to so many bytes."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        data = _bomb(size)
        head = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Content-Length": str(len(data))}
        writer.write(Answer(200, headers=head).head() + data)
        await writer.drain()

    return _fault(play, name="gzip bomb")


def _bomb(size: int) -> bytes:
    block = gzip.compress(b" " * 1_000_000, 9)
    return gzip.compress(b"[", 9) + block * (size // 1_000_000) + gzip.compress(b"]", 9)


def close_quietly() -> Fault:
    """A whole answer that promises keep-alive, and the connection closes after it all the same."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        writer.write(encode(answer, request, chunked=False, compress=False, close=False))
        await writer.drain()

    return _fault(play, name="close quietly")


def raw(data: bytes, *, processed: bool = False) -> Fault:
    """These bytes instead of an answer, then the end: no HTTP, two answers, a broken head."""

    async def play(writer: Writer, request: Request, answer: Answer) -> None:
        writer.write(data)
        await writer.drain()

    return _fault(play, processed=processed, name="raw")
