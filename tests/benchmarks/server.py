"""A Planhat that costs next to nothing: the companies of a list, encoded beforehand, served from memory.

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

from planhat_orm.emulator import Emulator

from .measure import ROOT

Raw = dict[str, Any]
STAMP = "updatedAt"
_SAMPLE = 2000


def companies(rows: int) -> Iterator[Raw]:
    """So many companies of the emulated tenant, each with an id and a key of its own, in the order of ids."""
    few = min(rows, _SAMPLE)
    with Emulator(companies=few, licenses=3 * few, endusers=0, conversations=0, tasks=0) as emulator:
        sample = emulator.store.all("company")
    for place in range(rows):
        id = f"65f0c1a2{place:016x}"
        one = sample[place % len(sample)]
        yield {**one, "_id": id, "orgPath": id, "orgRootId": id, "externalId": f"acct-{place}"}


class _Lists:
    """The records in both orders that a sync asks for."""

    def __init__(self, rows: int, cap: int) -> None:
        self.cap = cap
        self.touched = 0
        self.records: dict[str, bytes] = {}
        self.heads: dict[str, bytes] = {}
        self.stamps: dict[str, str] = {}
        for company in companies(rows):
            self._put(company)
        self.by_id = list(self.records)
        self.by_stamp: list[str] = []
        self._sort()

    def _put(self, one: Raw) -> None:
        id = one["_id"]
        self.records[id] = msgspec.json.encode(one)
        self.heads[id] = msgspec.json.encode({"_id": id, STAMP: one[STAMP]})
        self.stamps[id] = one[STAMP]

    def _sort(self) -> None:
        self.by_stamp = sorted(self.by_id, key=self.stamps.__getitem__, reverse=True)

    def touch(self, count: int) -> None:
        """Change some of the records, as somebody working in Planhat would, later than all before."""
        self.touched += 1
        for place, id in enumerate(random.Random(self.touched).sample(self.by_id, count)):
            one = msgspec.json.decode(self.records[id])
            stamp = f"2026-06-{self.touched:02d}T10:{place // 60 % 60:02d}:{place % 60:02d}.000Z"
            self._put({**one, "phase": f"Moved {self.touched}", STAMP: stamp})
        self._sort()

    def page(self, query: dict[str, str]) -> bytes:
        ids = {"_id": self.by_id, "-_id": self.by_id[::-1], f"-{STAMP}": self.by_stamp}[query["sort"]]
        offset = int(query["offset"])
        # Either the two fields of a scan, or all that there are: whole companies come by `select` only.
        source = self.heads if set(query.get("select", "name").split(",")) <= {"_id", STAMP} else self.records
        return b"[" + b",".join(source[id] for id in ids[offset : offset + min(self.cap, int(query["limit"]))]) + b"]"


def _handler(lists: _Lists, delay: float) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/touch":
                lists.touch(int(query["count"]))
                body = b"[]"
            elif parts.path == "/companies":
                time.sleep(delay)
                body = lists.page(query)
            elif parts.path == "/customfields":
                body = b"[]"  # the account declares none
            else:
                body = lists.records[parts.path.rpartition("/")[2]]
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving(rows: int, *, cap: int = 5000, delay: float = 0.0) -> Iterator[str]:
    """The address of a server with so many companies, `cap` a page at most, each page after `delay` seconds."""
    command = [sys.executable, "-m", __name__, str(rows), str(cap), str(delay)]
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
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), _handler(_Lists(int(sys.argv[1]), int(sys.argv[2])), float(sys.argv[3]))
    ) as httpd:
        print(f"http://127.0.0.1:{httpd.server_address[1]}", flush=True)
        httpd.serve_forever()
