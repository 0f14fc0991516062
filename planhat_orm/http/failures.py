"""Why no answer came, in words that say what to do: httpcore's errors, and what lies behind them, made ours."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

import httpcore

from .answers import Undecodable
from .connecting import Proxy
from .effects import Unanswered
from .exchange import Exchange

_NEVER_SENT = (
    httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ProxyError,
    httpcore.UnsupportedProtocol, httpcore.LocalProtocolError,
)  # fmt: skip

FAILURES = (
    httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError,
    httpcore.UnsupportedProtocol, Undecodable, OSError,
)  # fmt: skip
"""What is raised where no answer came; an OSError is one of TLS that httpcore passes on as it is."""


def unanswered(error: Exception, address: str, timeout: float, exchange: Exchange, proxy: Proxy | None) -> Unanswered:
    """Turn a failure into ours. Kind and fate are kept, not the text: that could hold an address with a secret."""
    sent = not isinstance(error, _NEVER_SENT)
    if exchange.is_late:
        return Unanswered(f"no whole answer within {exchange.seconds:.3g} s", sent=sent, kind="deadline")
    if exchange.is_over:
        return Unanswered("it sends headers without end", sent=True, kind="broken", final=True)
    if isinstance(error, httpcore.TimeoutException):
        return _timeout(error, address, timeout, proxy, sent=sent)
    if not sent:
        return _unreached(error, address, proxy)
    if any("CERTIFICATE_REQUIRED" in str(getattr(cause, "reason", "")) for cause in _causes(error)):
        return Unanswered(
            f"{address} wants a certificate of this client",
            sent=True, kind="tls", final=True, advice="Give it with Planhat(cert='client.pem').",
        )  # fmt: skip
    kind = "answer that was cut off or garbled" if isinstance(error, (httpcore.ProtocolError, Undecodable)) else "reset"
    return Unanswered(f"the connection broke ({kind})" if kind == "reset" else f"an {kind}", sent=True, kind="broken")


def _timeout(error: Exception, address: str, timeout: float, proxy: Proxy | None, *, sent: bool) -> Unanswered:
    if isinstance(error, httpcore.PoolTimeout):
        return Unanswered("all connections are busy", sent=False, kind="timeout")
    if isinstance(error, httpcore.ConnectTimeout):
        if proxy is not None:
            return _dead(proxy, "does not answer")
        return Unanswered(
            f"{address} does not answer",
            sent=False, kind="connect",
            advice="Check PLANHAT_API_URL, and whether a firewall or a proxy is in the way.",
        )  # fmt: skip
    return Unanswered(
        f"nothing came for {timeout:g} s", sent=sent, kind="timeout", advice="Planhat(timeout=...) waits longer."
    )


def _unreached(error: Exception, address: str, proxy: Proxy | None) -> Unanswered:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unanswered(
                f"the certificate of {address} is not trusted ({cause.verify_message.rstrip('.')})",
                sent=False, kind="certificate", final=True,
                advice="Where a company's proxy opens TLS, name its certificate: Planhat(verify='company-ca.pem'), or "
                "SSL_CERT_FILE.",
            )  # fmt: skip
    if isinstance(error, httpcore.ProxyError) and proxy is not None:
        status = re.match(r"\d{3}\b", str(error))
        refused = f"refuses the connection ({status[0]})" if status else "refuses the connection"
        needs_login = status is not None and status[0] == "407"
        return _dead(proxy, refused, "It wants a user and a password: http://user:password@..." if needs_login else "")
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return Unanswered(
                f"{address} does not speak TLS as it should ({cause.reason or type(cause).__name__})",
                sent=False, kind="tls", advice="Check the scheme and the port of PLANHAT_API_URL.",
            )  # fmt: skip
    if proxy is not None:
        return _dead(proxy, "cannot be reached")
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return Unanswered(
                f"the host {address} is not known",
                sent=False, kind="host", advice="Check PLANHAT_API_URL, and whether this machine has a network.",
            )  # fmt: skip
        if isinstance(cause, ConnectionRefusedError):
            return Unanswered(
                f"nothing listens at {address}",
                sent=False, kind="refused", advice="Check the host and the port of PLANHAT_API_URL.",
            )  # fmt: skip
    return Unanswered(
        f"{address} cannot be reached", sent=False, kind="connect", advice="Check the network and PLANHAT_API_URL."
    )


def _dead(proxy: Proxy, what: str, advice: str = "") -> Unanswered:
    return Unanswered(
        f"the proxy {proxy.shown} {what}",
        sent=False, kind="proxy",
        advice=advice or "Check Planhat(proxy=...) or HTTPS_PROXY, or set NO_PROXY for hosts that need none.",
    )  # fmt: skip


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that lies behind it; several addresses of one host fail as a group."""
    ahead, seen = [error], set()
    while ahead:
        cause = ahead.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        ahead += [behind for behind in (cause.__cause__, cause.__context__) if behind is not None]
        ahead += getattr(cause, "exceptions", ())


def strip_frames(error: BaseException) -> BaseException:
    """An exception without the frames it came through: those of httpcore hold requests with tokens in them."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
