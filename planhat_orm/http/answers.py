"""The body of an answer, read as it comes and no further than it may be long."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

_GZIP = 31  # the window bits by which zlib knows gzip
_PIECE = 50
"""Bytes of memory that a piece of a body takes besides what it holds: one of a byte is not as small as it says."""


class TooLong(Exception):
    """More came than may come."""


class Undecodable(Exception):
    """The body is not what its encoding says."""


def _encoding_of(headers: Iterable[tuple[str, str]]) -> str:
    """The encoding of a body: empty, `gzip`, or one that nobody asked for."""
    named = ",".join(value for name, value in headers if name == "content-encoding").lower()
    return "".join(named.split()).replace("x-gzip", "gzip").removeprefix("identity").strip(",")


def body_of(headers: Iterable[tuple[str, str]], limit: int) -> tuple[Body | None, str]:
    """What reads a body up to `limit`; None, and why, where its encoding is none that was asked for."""
    encoding = _encoding_of(headers)
    if encoding in ("", "gzip"):
        return Body(limit, packed=encoding == "gzip"), ""
    return None, f"in the encoding {encoding[:20]!r}, which nobody asked for"


class Body:
    """What has come of a body. `add` raises `TooLong` as soon as it is longer than `limit`, unpacked."""

    def __init__(self, limit: int, *, packed: bool) -> None:
        self._left = limit
        self._parts: list[bytes] = []
        self._unpack = zlib.decompressobj(_GZIP) if packed else None
        self._packed = packed
        self._is_empty = True

    def add(self, data: bytes) -> None:
        """Take the next piece, as it came."""
        self._is_empty = self._is_empty and not data
        if self._unpack is None:
            self._keep(data)
            return
        try:
            while data:
                # One byte more than may come shows that it is too long; a bomb is not unpacked to know by how much.
                self._keep(self._unpack.decompress(data, max(0, self._left) + 1))
                data = self._unpack.unused_data
                if data:
                    self._unpack = zlib.decompressobj(_GZIP)
        except zlib.error:
            raise Undecodable("the gzip encoding is broken") from None

    def end(self) -> None:
        """Nothing more comes; `Undecodable` where the packing has no end."""
        if self._unpack is not None and not self._unpack.eof and not self._is_empty:
            raise Undecodable("the gzip encoding breaks off")

    def whole(self) -> bytes:
        """All that has come."""
        return b"".join(self._parts)

    def _keep(self, data: bytes) -> None:
        self._left -= len(data) + _PIECE
        if self._left < 0:
            self._parts.clear()
            raise TooLong
        if data:
            self._parts.append(data)
