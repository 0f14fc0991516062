"""A Planhat that costs next to nothing: lists of records that are encoded beforehand, served from memory.

The emulator applies Planhat's rules, which takes longer than fetching; a figure measured against it would be the
emulator's. This one knows what a sync asks of a list and no more: `limit`, `offset`, `select` and `sort`. It runs in
a process of its own, so that a client's time and memory are the client's.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from .data_sets import DATA_SETS, STAMP, Records, number_of
from .run import ROOT


class _Lists:
    """A list in the orders that a sync asks for, and what was changed of it."""

    def __init__(self, data: str, rows: int, cap: int) -> None:
        self.data, self.records, self.cap = DATA_SETS[data], Records(data, rows), cap
        self.touched = 0
        self.changed: dict[int, bytes] = {}
        self.stamps: dict[int, str] = {}
        self.by_stamp: list[int] | None = None
        # Before the first request, as a client waits for it.
        self.records.whole, self.records.heads  # noqa: B018

    def touch(self, count: int) -> None:
        """Change some of the records, as somebody working in Planhat would, later than all before."""
        self.touched += 1
        day, hour = divmod(self.touched, 24)
        for place, number in enumerate(random.Random(self.touched).sample(range(self.records.rows), count)):
            record = msgspec.json.decode(self.one(number))
            second, thousandth = place % 3600, place // 3600
            stamp = f"2026-06-{1 + day:02d}T{hour:02d}:{second // 60:02d}:{second % 60:02d}.{thousandth:03d}Z"
            self.stamps[number] = stamp
            self.changed[number] = msgspec.json.encode({**record, "phase": f"Moved {self.touched}", STAMP: stamp})
        self.by_stamp = None

    def one(self, number: int) -> bytes:
        return self.changed.get(number) or self.records.page(self.records.whole, number, number + 1)

    def head(self, number: int) -> bytes:
        if number not in self.stamps:
            return self.records.page(self.records.heads, number, number + 1)
        return msgspec.json.encode(
            {"_id": msgspec.json.decode(self.changed[number])["_id"], STAMP: self.stamps[number]}
        )

    def page(self, query: dict[str, str]) -> bytes:
        start = int(query.get("offset", "0"))
        stop = min(self.records.rows, start + min(self.cap, int(query["limit"])))
        sort = query.get("sort", "_id")
        # Either the two fields of a scan, or all that there are: whole companies come by `select` only.
        heads = set(query.get("select", "name").split(",")) <= {"_id", STAMP}
        if sort == "_id" and not self.changed:
            return b"[" + self.records.page(self.records.heads if heads else self.records.whole, start, stop) + b"]"
        numbers = range(start, stop) if sort == "_id" else self._sorted(sort)[start:stop]
        return b"[" + b",".join(map(self.head if heads else self.one, numbers)) + b"]"

    def _sorted(self, sort: str) -> list[int] | range:
        if sort == "-_id":
            return range(self.records.rows)[::-1]
        assert sort == f"-{STAMP}", sort
        if self.by_stamp is None:
            first = sorted(self.stamps, key=self.stamps.__getitem__, reverse=True)
            self.by_stamp = first + [number for number in self.records.by_stamp() if number not in self.stamps]
        return self.by_stamp

    def with_id(self, id: str) -> bytes:
        return self.one(number_of(id, self.records.few))


def _handler(lists: _Lists, delay: float) -> type[BaseHTTPRequestHandler]:
    path = f"/{lists.data.path}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/touch":
                lists.touch(int(query["count"]))
                body = b"[]"
            elif parts.path == path:
                time.sleep(delay)
                body = lists.page(query)
            elif parts.path == "/customfields":
                body = b"[]"  # the account declares none
            else:
                body = lists.with_id(parts.path.rpartition("/")[2])
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def made(data: str, rows: int, cap: int, delay: float) -> ThreadingHTTPServer:
    """The server."""
    return ThreadingHTTPServer(("127.0.0.1", 0), _handler(_Lists(data, rows, cap), delay))


@contextmanager
def serving(rows: int, data: str = "companies", *, cap: int = 5000, delay: float = 0.0) -> Iterator[str]:
    """The address of a server with so many records, `cap` a page at most, each page after `delay` seconds."""
    command = [sys.executable, "-m", __name__, data, str(rows), str(cap), str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def touch(url: str, count: int) -> None:
    """Change so many of the server's records."""
    connection = HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", f"/touch?count={count}")
    connection.getresponse().read()
    connection.close()


if __name__ == "__main__":
    data, rows, cap, delay = sys.argv[1:]
    with made(data, int(rows), int(cap), float(delay)) as httpd:
        print(f"http://127.0.0.1:{httpd.server_address[1]}", flush=True)
        httpd.serve_forever()
