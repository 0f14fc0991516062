"""HTTP/1.1 over asyncio streams, as little as this API needs: heads, lengths, chunks, gzip, keep-alive."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

HEAD_LIMIT = 256 * 1024
BODY_LIMIT = 64 * 1024 * 1024


class Malformed(Exception):
    """What came is not HTTP; `status` is what to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Request:
    """A request as it came. `parts` is the path, split and then decoded; header names are in lower case."""

    method: str
    target: str
    version: str
    headers: dict[str, str]
    body: bytes = b""
    connection: int = 0
    parts: list[str] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path, _, query = self.target.partition("?")
        self.parts = [unquote(part) for part in path.split("/") if part]
        self.query = dict(parse_qsl(query, keep_blank_values=True))

    @property
    def path(self) -> str:
        return "/" + "/".join(self.parts)

    @property
    def keeps_alive(self) -> bool:
        said = self.headers.get("connection", "").lower()
        return "close" not in said and (self.version != "HTTP/1.0" or "keep-alive" in said)


@dataclass
class Answer:
    """Status, headers and body; how it travels is the connection's matter."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        lines = [status_line(self.status), *(f"{name}: {value}" for name, value in self.headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")


def status_line(status: int) -> str:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    return f"HTTP/1.1 {status} {phrase}"


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Read the next request of a connection; None where it ended between two of them."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial.strip():
            raise Malformed(400, "the head is cut off") from ended
        return None
    except asyncio.LimitOverrunError as long:
        raise Malformed(431, "the head is too long") from long
    request = _parse_head(head)
    if request.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.body = _decoded(await _read_body(reader, request.headers), request.headers.get("content-encoding", ""))
    return request


def _parse_head(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    try:
        method, target, version = first.split(" ")
        pairs = [line.split(":", 1) for line in lines if line]
        headers = {name.lower(): value.strip() for name, value in pairs}
    except ValueError as wrong:
        raise Malformed(400, f"not a request line or header: {first[:80]!r}") from wrong
    return Request(method, target, version, headers)


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader)
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise Malformed(400, f"Content-Length is {length!r}")
    if int(length) > BODY_LIMIT:
        raise Malformed(413, "the body is too long")
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0].strip() or b"0", 16):
        body += await reader.readexactly(size)
        await reader.readline()
        if len(body) > BODY_LIMIT:
            raise Malformed(413, "the body is too long")
    while (await reader.readline()).strip():
        pass
    return bytes(body)


def _decoded(body: bytes, coding: str) -> bytes:
    if coding.lower() in ("gzip", "x-gzip"):
        return gzip.decompress(body)
    return zlib.decompress(body) if coding.lower() == "deflate" else body


def encode(answer: Answer, request: Request, *, chunked: bool, compress: bool, close: bool) -> bytes:
    """An answer as bytes, framed and perhaps compressed."""
    body, headers = answer.body, dict(answer.headers)
    if compress and body and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    bodiless = request.method == "HEAD" or answer.status in (204, 304) or answer.status < 200
    if chunked and not bodiless:
        headers["Transfer-Encoding"] = "chunked"
    elif answer.status not in (204, 304):
        headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close" if close else "keep-alive"
    head = Answer(answer.status, headers=headers).head()
    if bodiless:
        return head
    return head + (
        b"".join(chunk(body[at : at + 4096]) for at in range(0, len(body), 4096)) + b"0\r\n\r\n" if chunked else body
    )


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
