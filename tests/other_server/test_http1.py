"""The server's own HTTP/1.1: framing, keep-alive, compression, life; and the page that tells how to use it."""

from __future__ import annotations

import ast
import gzip
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from tests.other_server.conftest import Start, call
from tests.other_server.http1 import HEAD_LIMIT
from tests.other_server.test_faults import exchange, port

HEAD = b"Host: x\r\nAuthorization: Bearer token-a\r\n"


def test_a_connection_stays_open_and_may_be_told_to_close(start: Start) -> None:
    server = start()
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=5)
    for _ in range(3):
        connection.request("GET", "/users", headers={"Authorization": "Bearer token-a"})
        assert connection.getresponse().read() == b"[]"
    connection.close()
    assert [entry.connection for entry in server.log] == [1, 1, 1]
    server.behave(keep_alive=False)
    assert b"Connection: close" in exchange(server, b"GET /users HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert exchange(server, b"GET /users HTTP/1.0\r\n" + HEAD + b"\r\n").endswith(b"[]")


def test_pipelined_requests_are_answered_in_turn(start: Start) -> None:
    request = b"GET /users HTTP/1.1\r\n" + HEAD + b"\r\n"
    last = b"GET /myprofile HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n"
    got = exchange(start(), request * 2 + last)
    assert got.count(b"HTTP/1.1 200 OK") == 3 and got.endswith(b'{"name":"tenant-a"}')


def test_bodies_come_in_chunks_and_compressed(start: Start) -> None:
    server = start()
    data = gzip.compress(b'{"name": "A"}')
    chunks = (
        b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in (data[:5], data[5:]))
        + b"0\r\nTrailer: x\r\n\r\n"
    )
    extra = b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
    got = exchange(server, b"POST /companies HTTP/1.1\r\n" + HEAD + extra + chunks)
    assert b" 200 OK" in got and server.records("company")[0]["name"] == "A"


def test_answers_go_in_chunks_and_compressed(start: Start) -> None:
    server = start(chunked=True, gzip=True)
    server.fill("project", 90, lambda n: {"name": "x" * 200, "companyId": "c"})
    reply = call(server, "GET", "/projects", headers={"Accept-Encoding": "gzip"})
    assert reply.headers["transfer-encoding"] == "chunked" and len(json.loads(gzip.decompress(reply.raw))) == 90
    assert len(call(server, "GET", "/projects").json) == 90


def test_a_body_waits_for_100_continue(start: Start) -> None:
    server = start()
    with socket.create_connection(("127.0.0.1", port(server)), timeout=5) as stream:
        stream.sendall(b"POST /companies HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 12\r\n" + HEAD + b"\r\n")
        assert stream.recv(100).startswith(b"HTTP/1.1 100 Continue")
        stream.sendall(b'{"name":"A"}')
        assert stream.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"nonsense\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
     (b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413), (b"GET / HTTP/1.1\r\nX: " + b"y" * HEAD_LIMIT, 431)],
)  # fmt: skip
def test_what_is_no_http_is_refused(start: Start, data: bytes, status: int) -> None:
    assert exchange(start(), data).startswith(b"HTTP/1.1 %d" % status)


def test_requests_at_the_same_time_are_counted(start: Start) -> None:
    server = start()
    server.before(lambda request: None)
    threads = [threading.Thread(target=call, args=(server, "GET", "/users")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.log) == 8 and {entry.status for entry in server.log} == {200}


def test_a_server_goes_down_and_comes_back_with_its_records(start: Start) -> None:
    server = start()
    call(server, "POST", "/companies", {"name": "A"})
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        call(server, "GET", "/companies")
    server.start()
    assert call(server, "GET", "/companies").json[0]["name"] == "A"


def test_a_fault_of_the_server_itself_fails_the_test() -> None:
    from tests.other_server import OtherServer

    def broken(row: dict[str, object]) -> bool:
        raise RuntimeError("broken")

    with pytest.raises(AssertionError, match="the server itself failed"), OtherServer(hidden=broken) as server:
        server.write("company", {"name": "A"})
        assert call(server, "GET", "/companies").status == 500


def test_it_runs_as_a_process() -> None:
    options = ["--behaviour", '{"page_rows": 1}', "--accounts", '{"t": "x"}']
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.other_server", *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        url = process.stdout.readline().strip()
        for name in "AB":
            body = json.dumps({"name": name}).encode()
            urllib.request.urlopen(
                urllib.request.Request(f"{url}/companies", body, {"Authorization": "Bearer t"})
            ).close()
        with urllib.request.urlopen(f"{url}/__test/records/company?account=t") as answer:
            assert [record["name"] for record in json.load(answer)] == ["A", "B"]
        with urllib.request.urlopen(f"{url}/__test/log") as answer:
            assert [entry["path"] for entry in json.load(answer)][:2] == ["/companies", "/companies"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_the_server_is_plain_python_and_shares_nothing_with_the_library() -> None:
    for path in Path(__file__).parent.glob("*.py"):
        # The stand-in makes the emulator's place for the server, which does not know of it.
        if not path.name.startswith(("test_", "conftest", "stand_in")):
            tree = list(ast.walk(ast.parse(path.read_text())))
            imports = [node.module or "" for node in tree if isinstance(node, ast.ImportFrom)]
            imports += [name.name for node in tree if isinstance(node, ast.Import) for name in node.names]
            roots = {name.partition(".")[0] for name in imports if not name.startswith("tests.other_server")}
            assert roots <= sys.stdlib_module_names, path.name


def test_the_page_runs_and_names_every_option() -> None:
    from tests.other_server import Behaviour

    page = Path(__file__).with_name("README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert set(Behaviour.__dataclass_fields__) <= set(re.findall(r"\w+", page))
