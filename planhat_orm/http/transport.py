"""Where secrets meet the wire: an httpx transport that fills tokens in at the last moment.

httpx logs every URL at INFO, and its errors carry the request. So the requests it sees hold placeholders;
the token goes into the header, and the tenant token into the path, in the transport under it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from ..errors import ConfigurationError
from .effects import TENANT, Request

_PLACEHOLDER = quote(TENANT)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The two tokens. Neither shows in a repr, and pickling one raises."""

    api_token: str | None = field(default=None, repr=False)
    tenant_token: str | None = field(default=None, repr=False)

    def __reduce__(self) -> str:
        raise TypeError("Tokens are not pickled: build Planhat() again in the other process.")

    def check(self, request: Request) -> None:
        """Raise `ConfigurationError` when the token that `request` needs is not there."""
        if request.auth == "token":
            self._need(self.api_token, "api_token", "PLANHAT_API_TOKEN")
        elif request.auth == "tenant" or TENANT in request.path:
            self._need(self.tenant_token, "tenant_token", "PLANHAT_TENANT_TOKEN")

    def apply(self, request: httpx.Request) -> httpx.Request:
        """Return a request with the tokens that `request` asks for."""
        headers = request.headers.copy()
        auth = headers.pop("x-planhat-auth", "none")
        path = request.url.raw_path.decode("ascii")
        if auth == "token":
            headers["authorization"] = f"Bearer {self._need(self.api_token, 'api_token', 'PLANHAT_API_TOKEN')}"
        elif auth == "tenant":
            token = self._need(self.tenant_token, "tenant_token", "PLANHAT_TENANT_TOKEN")
            headers["authorization"] = "Basic " + base64.b64encode(f"{token}:".encode()).decode()
        elif _PLACEHOLDER in path:
            # Only here: in the path of any other call these letters are somebody's id.
            token = self._need(self.tenant_token, "tenant_token", "PLANHAT_TENANT_TOKEN")
            path = path.replace(_PLACEHOLDER, quote(token, safe=""))
        url = request.url.copy_with(raw_path=path.encode("ascii"))
        return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)

    def strike(self, text: bytes) -> bytes:
        """Take the tokens out of what a server said: web servers name the path in their errors."""
        for token in (self.api_token, self.tenant_token):
            if token:
                text = text.replace(token.encode(), b"***")
        return text

    @staticmethod
    def _need(token: str | None, argument: str, variable: str) -> str:
        if not token:
            raise ConfigurationError(f"This call needs a token: set {variable}, or pass Planhat({argument}=...).")
        return token


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for `url`, if any (httpx reads it only for its own transports)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("127.0.0.1", "localhost", "::1") or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


class SecretTransport(httpx.BaseTransport):
    """A transport that applies the secrets and passes the request on."""

    def __init__(self, secrets: Secrets, inner: httpx.BaseTransport) -> None:
        self._secrets = secrets
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` with the tokens in it."""
        return self._inner.handle_request(self._secrets.apply(request))

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class AsyncSecretTransport(httpx.AsyncBaseTransport):
    """The same for tasks."""

    def __init__(self, secrets: Secrets, inner: httpx.AsyncBaseTransport) -> None:
        self._secrets = secrets
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` with the tokens in it."""
        return await self._inner.handle_async_request(self._secrets.apply(request))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
