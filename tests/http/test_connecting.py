"""The way to the server: each thing that can be in it has its own words, and a way out that they name."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from planhat_orm import ConfigurationError, ConnectionFailed, Planhat
from planhat_orm.http import connecting
from planhat_orm.http.retry import Retry

from ..hostile.server import Answer, HostileServer, always, respond

LIST = always(respond(b"[]"))
QUICK = Retry(attempts=3, floor=0.01, ceiling=0.02, deadline=20)


def in_a_thread(planhat: Planhat) -> Any:
    with planhat:
        return planhat.company.get_lean_list()


def in_a_task(planhat: Planhat) -> Any:
    async def main() -> Any:
        async with planhat:
            return await planhat.company.aget_lean_list()

    return asyncio.run(main())


both = pytest.mark.parametrize("ask", [in_a_thread, in_a_task])
Ask = Callable[[Planhat], Any]


def made(url: str, **options: Any) -> Planhat:
    return Planhat("token", api_url=url, retry=QUICK, **options)


def failed(ask: Ask, url: str, **options: Any) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as raised:
        ask(made(url, **options))
    error = raised.value
    assert not error.sent
    assert "nothing was changed" in str(error)
    return error


# --- certificates ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextlib.contextmanager
def secured(authority: trustme.CA, answer: Answer = LIST, *, wants_cert: bool = False) -> Iterator[HostileServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if wants_cert:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    with HostileServer(answer, context) as server:
        yield server


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@both
def test_a_certificate_that_is_not_trusted_is_told_and_not_tried_again(authority: trustme.CA, ask: Ask) -> None:
    with secured(authority) as server:
        error = failed(ask, server.url)
        assert error.kind == "certificate"
        assert server.connections == error.attempts == 1
        assert "verify=" in str(error)


@both
def test_certificates_are_trusted_by_file_by_context_or_not_at_all(
    authority: trustme.CA, bundle: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secured(authority) as server:
        for verify in (bundle, Path(bundle), ssl.create_default_context(cafile=bundle), False):
            assert ask(made(server.url, verify=verify)) == []
        monkeypatch.setenv("SSL_CERT_FILE", bundle)
        assert ask(made(server.url)) == []


@both
def test_a_certificate_of_the_client_is_shown(authority: trustme.CA, bundle: str, ask: Ask, tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(str(own))
    with secured(authority, wants_cert=True) as server:
        assert ask(made(server.url, verify=bundle, cert=own)) == []
        assert ask(made(server.url, verify=bundle, cert=(str(own), str(own)))) == []
        for _ in range(10):  # whether the refusal or the end of the connection is seen first is a matter of time
            with pytest.raises(ConnectionFailed) as raised:
                ask(made(server.url, verify=bundle))
            assert raised.value.kind in ("tls", "broken")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_variable_that_names_no_certificates_is_named(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match=f"{variable} names certificates .* /nowhere/ca.pem"):
        in_a_thread(made("https://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"verify": "/nowhere.pem"}, r"verify=.*/nowhere.pem"),
        ({"verify": 1}, "verify=.* not int"),
        ({"cert": "/nowhere.pem"}, r"cert=.*/nowhere.pem"),
        ({"cert": ("a", "b", "c", "d")}, "cert="),
        ({"proxy": "nonsense://x"}, "proxy="),
        ({"proxy": "http://"}, "proxy="),
        ({"proxy": 3128}, "proxy=.* not int"),
    ],
)
def test_what_cannot_be_used_is_refused_when_the_client_is_made(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Planhat("token", **options)


def test_a_file_without_certificates_is_refused_in_our_words(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("none")
    for options in ({"verify": empty}, {"cert": empty, "verify": False}):
        with pytest.raises(ConfigurationError, match="empty.pem|cert="):
            in_a_thread(made("https://127.0.0.1:9", **options))


def _refuse_in_plain(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            with listener.accept()[0] as line, contextlib.suppress(ConnectionError):
                line.recv(65_536)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                line.recv(65_536)


@both
def test_a_server_without_tls_at_a_port_for_tls_is_told(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_refuse_in_plain, args=(listener,), daemon=True).start()
        error = failed(ask, f"https://127.0.0.1:{listener.getsockname()[1]}")
        assert error.kind == "tls"
        assert "does not speak TLS" in str(error)


# --- hosts ----------------------------------------------------------------------------------------------


@both
def test_a_host_that_is_not_known_is_told(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failed(ask, "https://api.nowhere.example")
    assert error.kind == "host"
    assert "the host api.nowhere.example is not known" in str(error)


@both
def test_a_port_where_nothing_listens_is_told(ask: Ask) -> None:
    error = failed(ask, "http://127.0.0.1:9")
    assert (error.kind, error.attempts) == ("refused", 3)
    assert "nothing listens at 127.0.0.1:9" in str(error)


# --- proxies --------------------------------------------------------------------------------------------


class Tunnel:
    """A proxy that connects what asks for it, in HTTP or in SOCKS 5, and counts how often."""

    def __init__(self, *, socks: bool = False) -> None:
        self.tunnels = 0
        self.heads: list[bytes] = []
        self._socks = socks
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError, IndexError, ValueError), line:
            port = self._greet_socks(line) if self._socks else self._greet_http(line)
            self.tunnels += 1
            with socket.create_connection(("127.0.0.1", port)) as other:
                threading.Thread(target=self._pump, args=(other, line), daemon=True).start()
                self._pump(line, other)

    def _greet_http(self, line: socket.socket) -> int:
        head = b""
        while b"\r\n\r\n" not in head:
            head += line.recv(4096)
        self.heads.append(head)
        line.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        return int(head.split()[1].rpartition(b":")[2])

    def _greet_socks(self, line: socket.socket) -> int:
        line.recv(4096)
        line.sendall(b"\x05\x00")
        asked = line.recv(4096)
        line.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        return int.from_bytes(asked[-2:], "big")

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)


@pytest.fixture
def tunnel() -> Iterator[Callable[..., Tunnel]]:
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> Tunnel:
            opened = Tunnel(**options)
            stack.callback(opened.close)
            return opened

        yield start


@both
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_a_proxy_is_gone_through(
    authority: trustme.CA, bundle: str, ask: Ask, scheme: str, tunnel: Callable[..., Tunnel]
) -> None:
    proxy = tunnel(socks=scheme.startswith("socks"))
    with secured(authority) as server:
        planhat = made(server.url, verify=bundle, proxy=f"{scheme}://127.0.0.1:{proxy.port}")
        assert ask(planhat) == []
    assert proxy.tunnels == 1


@both
def test_user_and_password_of_a_proxy_go_to_it_and_are_shown_nowhere(
    authority: trustme.CA, bundle: str, ask: Ask, tunnel: Callable[..., Tunnel]
) -> None:
    proxy = tunnel()
    with secured(authority) as server:
        planhat = made(server.url, verify=bundle, proxy=f"http://ada:pass%40w0rd@127.0.0.1:{proxy.port}")
        assert ask(planhat) == []
        assert "w0rd" not in repr(planhat) + repr(planhat._session) + repr(planhat.settings)
    assert b"Proxy-Authorization: Basic YWRhOnBhc3NAdzByZA==" in proxy.heads[0]
    proxy.close()
    error = failed(ask, "https://127.0.0.1:9", proxy="http://ada:pass%40w0rd@127.0.0.1:9")
    assert "w0rd" not in str(error)


@both
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_is_dead_is_told_as_the_proxy(ask: Ask, scheme: str) -> None:
    error = failed(ask, "https://api.planhat.com", proxy=f"{scheme}://127.0.0.1:9")
    assert error.kind == "proxy"
    assert f"the proxy {scheme}://127.0.0.1:9 cannot be reached" in str(error)


@both
@pytest.mark.parametrize(("status", "words"), [("407 Proxy Authentication Required", "password"), ("403 No", "403")])
def test_a_proxy_that_refuses_is_told_as_the_proxy(ask: Ask, status: str, words: str) -> None:
    with HostileServer(always(respond(b"", status))) as proxy:
        error = failed(ask, "https://api.planhat.com", proxy=proxy.url)
        assert error.kind == "proxy"
        assert words in str(error)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_in_the_environment_may_leave_out_the_scheme(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "127.0.0.1:9")
    error = failed(in_a_thread, "https://api.planhat.com")
    assert "the proxy http://127.0.0.1:9 cannot be reached" in str(error)


def test_a_proxy_in_the_environment_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://[::1")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY must be an address"):
        in_a_thread(made("https://api.planhat.com"))


def test_socks_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"ALL_PROXY names a SOCKS proxy.*pip install"):
        in_a_thread(made("https://api.planhat.com"))
