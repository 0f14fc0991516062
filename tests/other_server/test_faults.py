"""Each fault does to a plain socket what it says."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time

import pytest

from tests.other_server import OtherServer, faults, on
from tests.other_server.conftest import Start, call

POST = b'POST /companies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-a\r\nContent-Length: 12\r\n\r\n{"name":"A"}'


def port(server: OtherServer) -> int:
    return int(server.url.rpartition(":")[2])


def exchange(server: OtherServer, data: bytes = POST, *, most: int = 1 << 30, seconds: float = 5) -> bytes:
    """Send bytes, read until the other side closes, or `most` bytes or seconds."""
    got, end = b"", time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port(server)), timeout=seconds) as stream:
        stream.sendall(data)
        while len(got) < most and time.monotonic() < end and (part := stream.recv(65_536)):
            got += part
    return got


def stored(server: OtherServer) -> int:
    return len(server.records("company"))


@pytest.mark.parametrize(("fault", "count"), [(faults.close_before(), 0), (faults.close_after(), 1)])
def test_the_connection_closes_before_or_after_the_work(start: Start, fault: faults.Fault, count: int) -> None:
    server = start()
    rule = server.fault(fault, on("POST"))
    assert exchange(server) == b"" and stored(server) == count
    assert rule.hits == 1 and server.log[0].fault == fault.name
    assert call(server, "POST", "/companies", {"name": "B"}).status == 200


def test_a_reset_is_felt(start: Start) -> None:
    server = start()
    server.fault(faults.reset())
    with pytest.raises(ConnectionResetError):
        exchange(server)
    assert stored(server) == 1


def test_rules_skip_count_and_choose(start: Start) -> None:
    server = start()
    rule = server.fault(faults.status(503), on("GET", "/users"), times=2, skip=1)
    statuses = [call(server, "GET", path).status for path in ("/users", "/sales", "/users", "/users", "/users")]
    assert statuses == [200, 200, 503, 503, 200] and rule.hits == 2
    server.fault(faults.status(500), times=None, share=0.5)
    assert {call(server, "GET", "/users").status for _ in range(30)} == {200, 500}
    server.clear_faults()
    assert {call(server, "GET", "/users").status for _ in range(9)} == {200}


@pytest.mark.parametrize(
    ("code", "headers"),
    [(500, {}), (502, {}), (503, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}), (429, {"Retry-After": "0.001"}), (304, {}),
     (302, {"Location": "http://elsewhere.example/companies"}), (200, {"X-RateLimit-Remaining": "1e20"})],
)  # fmt: skip
def test_other_statuses_with_their_headers(start: Start, code: int, headers: dict[str, str]) -> None:
    server = start()
    server.fault(faults.status(code, "what", headers))
    reply = call(server, "POST", "/companies", {"name": "A"})
    assert (reply.status, reply.raw) == (code, b"" if code == 304 else b"what") and stored(server) == 0
    assert {name.lower(): value for name, value in headers.items()}.items() <= reply.headers.items()


def test_the_true_answer_may_be_changed(start: Start) -> None:
    server = start()
    server.fault(faults.headers({"X-RateLimit-Reset": "99999999999"}))
    server.fault(faults.content_type("text/html"))
    server.fault(faults.changed(lambda body: {"data": body}))
    server.fault(faults.body("[1, 2"))
    replies = [call(server, "POST", "/companies", {"name": str(n)}) for n in range(4)]
    assert replies[0].headers["x-ratelimit-reset"] == "99999999999" and replies[0].json["name"] == "0"
    assert replies[1].headers["content-type"] == "text/html" and replies[1].json["name"] == "1"
    assert replies[2].json["data"]["name"] == "2" and replies[3].raw == b"[1, 2" and stored(server) == 4


def test_json_may_be_deep(start: Start) -> None:
    server = start()
    server.fault(faults.deep_json(5_000))
    assert call(server, "GET", "/companies").raw.count(b"[") == 5_001


def test_an_answer_trickles_and_is_whole_in_the_end(start: Start) -> None:
    server = start()
    server.fault(faults.trickle(0.05))
    got = exchange(server, seconds=0.5)
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"Content-Length" in head and 2 <= len(body) < 20
    server.fault(faults.trickle(0, whole_head=False))
    assert json.loads(exchange(server).partition(b"\r\n\r\n")[2])["name"] == "A" and stored(server) == 2


def test_an_answer_is_slow_or_never_comes(start: Start) -> None:
    server = start()
    server.fault(faults.slow(0.2))
    before = time.monotonic()
    assert exchange(server).startswith(b"HTTP/1.1 200") and time.monotonic() - before >= 0.2
    server.fault(faults.hang())
    with pytest.raises(TimeoutError):
        exchange(server, seconds=0.3)
    assert stored(server) == 2


def test_a_body_ends_early(start: Start) -> None:
    server = start()
    server.fault(faults.truncated(0.5))
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=5)
    connection.request("POST", "/companies", b'{"name":"A"}', {"Authorization": "Bearer token-a"})
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()


def test_informational_answers_without_end(start: Start) -> None:
    server = start()
    server.fault(faults.informational(103, 0))
    assert exchange(server, most=100_000).count(b"HTTP/1.1 103 Early Hints") > 100
    server.fault(faults.informational(102, 0, times=3))
    got = exchange(server)
    assert got.count(b"HTTP/1.1 102") == 3 and got.rstrip().endswith(b"}")


def test_a_chunked_body_without_end(start: Start) -> None:
    server = start()
    server.fault(faults.endless_chunks())
    got = exchange(server, most=1_000_000)
    assert len(got) >= 1_000_000 and b"Transfer-Encoding: chunked" in got and b"\r\n0\r\n\r\n" not in got


def test_a_small_body_unpacks_to_a_large_one(start: Start) -> None:
    server = start()
    server.fault(faults.gzip_bomb(20_000_000))
    body = exchange(server).partition(b"\r\n\r\n")[2]
    assert len(body) < 50_000 and len(gzip.decompress(body)) == 20_000_002


def test_a_connection_that_promised_to_stay_closes(start: Start) -> None:
    server = start()
    server.fault(faults.close_quietly())
    got = exchange(server)
    assert b"Connection: keep-alive" in got and got.endswith(b"}")


def test_bytes_that_are_no_answer(start: Start) -> None:
    server = start()
    server.fault(faults.raw(b"SSH-2.0-OpenSSH\r\n"))
    assert exchange(server) == b"SSH-2.0-OpenSSH\r\n"
