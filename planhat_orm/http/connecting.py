"""The way to the server: certificates, a proxy, and the pools of connections made with them."""

from __future__ import annotations

import os
import ssl
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..errors import ConfigurationError

if TYPE_CHECKING:
    import httpcore

Verify = bool | str | Path | ssl.SSLContext
Cert = str | Path | tuple[str | Path, ...] | None

_LIMITS: dict[str, Any] = {"max_connections": 50, "max_keepalive_connections": 20, "keepalive_expiry": 5.0}
_SCHEMES = ("http", "https", "socks5", "socks5h")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How to get to the server.

    `verify` is True (certifi's certificates, or those that SSL_CERT_FILE or SSL_CERT_DIR name), False, a file or
    folder of certificates, or an `ssl.SSLContext`. `cert` is a file with the client's own certificate, or a tuple of
    its file, its key's file, and the key's password. `proxy` is an address; without one the environment names it.
    """

    verify: Verify = True
    cert: Cert = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise `ConfigurationError` for what could never work. The files are read when the first pool is made."""
        if isinstance(self.verify, (str, Path)) and not Path(self.verify).exists():
            raise ConfigurationError(f"Planhat(verify=...): there is no {self.verify}.")
        if not isinstance(self.verify, (bool, str, Path, ssl.SSLContext)):
            raise ConfigurationError(
                f"Planhat(verify=...) takes True, False, a file or folder of certificates, or an ssl.SSLContext, not "
                f"{type(self.verify).__name__}."
            )
        names = _names(self.cert)
        for file in names[:2]:
            if not Path(file).exists():
                raise ConfigurationError(f"Planhat(cert=...): there is no {file}.")
        if self.proxy is not None:
            _proxy(self.proxy, "Planhat(proxy=...)")

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy on the way to `url`, if any."""
        if self.proxy is not None:
            return _proxy(self.proxy, "Planhat(proxy=...)")
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host in LOOPBACK or not _may_have_proxies():
            return None
        from urllib.request import getproxies, proxy_bypass  # late: it takes a client of its own along

        if proxy_bypass(host):
            return None
        proxies = getproxies()
        for name in (parts.scheme, "all"):
            if proxies.get(name):
                return _proxy(proxies[name], f"{name.upper()}_PROXY")
        return None

    def pool(self, url: str) -> httpcore.ConnectionPool:
        """A pool of connections to `url`, for threads."""
        import httpcore  # late: a process that only reads a mirror needs no connection

        from .exchange import DeadlineBackend

        options = {"network_backend": DeadlineBackend(), "ssl_context": self._tls(url), **_LIMITS}
        proxy = self.proxy_for(url)
        if proxy is None:
            return httpcore.ConnectionPool(**options)
        kind = httpcore.SOCKSProxy if proxy.is_socks else httpcore.HTTPProxy
        return kind(proxy_url=proxy.url, proxy_auth=proxy.auth, **options)

    def async_pool(self, url: str) -> httpcore.AsyncConnectionPool:
        """The same for tasks."""
        import httpcore

        from .exchange import AsyncDeadlineBackend

        options = {"network_backend": AsyncDeadlineBackend(), "ssl_context": self._tls(url), **_LIMITS}
        proxy = self.proxy_for(url)
        if proxy is None:
            return httpcore.AsyncConnectionPool(**options)
        kind = httpcore.AsyncSOCKSProxy if proxy.is_socks else httpcore.AsyncHTTPProxy
        return kind(proxy_url=proxy.url, proxy_auth=proxy.auth, **options)

    def _tls(self, url: str) -> ssl.SSLContext | None:
        if urlsplit(url).scheme == "http":
            return None  # reading the certificates takes longer than a request
        if isinstance(self.verify, ssl.SSLContext):
            context = self.verify
        else:
            context = _context(self.verify)
        names = _names(self.cert)
        if names:
            try:
                context.load_cert_chain(*names)
            except (OSError, ssl.SSLError) as wrong:
                raise ConfigurationError(f"Planhat(cert=...) cannot be used: {_said(wrong)}.") from None
        return context


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. Its user and password show in no repr; `shown` is its address without them."""

    url: str = field(repr=False)
    shown: str
    auth: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS instead of HTTP."""
        return self.shown.startswith("socks")


def _may_have_proxies() -> bool:
    """Whether the environment names proxies, or the system has a place for them that is not looked at here."""
    return sys.platform in ("win32", "darwin") or any(name.lower().endswith("_proxy") for name in os.environ)


def _proxy(text: str, where: str) -> Proxy:
    """Read a proxy's address; one without a scheme is HTTP's, as curl has it."""
    if not isinstance(text, str):
        raise ConfigurationError(
            f"{where} takes an address such as http://proxy.example:3128, not {type(text).__name__}."
        )
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if not host or parts.scheme not in _SCHEMES:
        raise ConfigurationError(
            f"{where} must be an address such as http://proxy.example:3128 (or socks5://...); what it holds is none."
        )
    if parts.scheme.startswith("socks"):
        _need_socks(where)
    address = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{address}:{port or _PORTS[parts.scheme]}"
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    # httpcore knows one name for both, and leaves the name to the proxy in either case.
    return Proxy(shown.replace("socks5h://", "socks5://"), shown, auth)


_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def _need_socks(where: str) -> None:
    if find_spec("socksio") is None:
        raise ConfigurationError(
            f'{where} names a SOCKS proxy, which needs one more package: pip install "planhat_orm[socks]", or name an '
            f"HTTP proxy."
        )


def _context(verify: bool | str | Path) -> ssl.SSLContext:
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    where = "Planhat(verify=...)"
    source: str | Path
    if verify is not True:
        source = verify
    elif os.environ.get("SSL_CERT_FILE"):
        where, source = "SSL_CERT_FILE", os.environ["SSL_CERT_FILE"]
    elif os.environ.get("SSL_CERT_DIR"):
        where, source = "SSL_CERT_DIR", os.environ["SSL_CERT_DIR"]
    else:
        import certifi

        where, source = "certifi", certifi.where()
    try:
        if Path(source).is_dir():
            return ssl.create_default_context(capath=source)
        return ssl.create_default_context(cafile=source)
    except (OSError, ssl.SSLError) as wrong:
        raise ConfigurationError(
            f"{where} names certificates that cannot be read ({_said(wrong)}): {source}. Correct it, or leave it out."
        ) from None


def _names(cert: Cert) -> tuple[Any, ...]:
    if cert is None:
        return ()
    names = cert if isinstance(cert, tuple) else (cert,)
    if not 1 <= len(names) <= 3 or not all(isinstance(name, (str, Path)) for name in names):
        raise ConfigurationError("Planhat(cert=...) takes a file, or a tuple of a file, its key's file and a password.")
    return names


def _said(wrong: OSError) -> str:
    return getattr(wrong, "reason", None) or wrong.strerror or type(wrong).__name__
