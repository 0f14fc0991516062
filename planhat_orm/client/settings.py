"""Settings: arguments first, then the environment, then Planhat's own defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..http.transport import Secrets

API_URL = "https://api.planhat.com"
ANALYTICS_URL = "https://analytics.planhat.com"
METRIC_DAYS = 90


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client is made with. Tokens show in no repr, and settings are not pickled."""

    secrets: Secrets = field(repr=False)
    api_url: str
    analytics_url: str
    mirror: str | None
    calls_per_min: float
    history: float
    metric_days: int

    @property
    def api_token(self) -> str | None:
        """The token of the main host, if there is one."""
        return self.secrets.api_token

    @property
    def tenant_token(self) -> str | None:
        """The token of the analytics host, if there is one."""
        return self.secrets.tenant_token


def read(
    given: Secrets,
    api_url: str | None,
    analytics_url: str | None,
    mirror: str | None,
    calls_per_min: float | None,
    history: bool | float | None = None,
    metric_days: int | None = None,
) -> Settings:
    """Fill in what was not given. Raises `ConfigurationError` for what cannot be used."""
    env = os.environ
    return Settings(
        secrets=Secrets(_token(given, "api_token"), _token(given, "tenant_token")),
        api_url=_url(api_url or env.get("PLANHAT_API_URL") or API_URL, "api_url"),
        analytics_url=_url(analytics_url or env.get("PLANHAT_ANALYTICS_URL") or _analytics(api_url), "analytics_url"),
        mirror=mirror or env.get("PLANHAT_MIRROR") or None,
        calls_per_min=_calls(calls_per_min if calls_per_min is not None else env.get("PLANHAT_CALLS_PER_MIN", 200)),
        history=_history(history if history is not None else env.get("PLANHAT_HISTORY") or True),
        metric_days=_days(metric_days if metric_days is not None else env.get("PLANHAT_METRIC_DAYS") or METRIC_DAYS),
    )


def _analytics(api_url: str | None) -> str:
    """An emulator serves both hosts on one address; Planhat's analytics host is one for every region."""
    given = api_url or os.environ.get("PLANHAT_API_URL")
    host = urlsplit(given).hostname if given else None
    return given if given and host in ("127.0.0.1", "localhost", "::1") else ANALYTICS_URL


def _token(given: Secrets, name: str) -> str | None:
    """A token without the line end it was copied with; an error that does not show it for an impossible one."""
    token = (getattr(given, name) or os.environ.get(f"PLANHAT_{name.upper()}") or "").strip()
    if not all("!" <= letter <= "~" for letter in token):
        del token  # tools that print the variables of a frame must not find it here
        raise ConfigurationError(f"{name} has spaces or letters in it that no token has: copy it again.")
    return token or None


def _url(url: str, name: str) -> str:
    url = url.strip()
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ConfigurationError(f"{name} must be an address such as {API_URL}; its host or port is wrong.") from None
    if "@" in url:
        raise ConfigurationError(f"{name} must not carry a user or password: tokens have settings of their own.")
    if not good or parts.query or parts.fragment:
        raise ConfigurationError(f"{name} must be an address such as {API_URL}, not {url!r}.")
    return url.rstrip("/")


def _calls(value: object) -> float:
    try:
        calls = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        calls = 0.0
    if isinstance(value, bool) or not 0 < calls < float("inf"):
        raise ConfigurationError(f"calls_per_min must be a positive number, not {value!r}.")
    return calls


def _history(value: object) -> float:
    """Days for which changes are remembered: none, some, or all that will ever be."""
    known = {"on": float("inf"), "true": float("inf"), "off": 0.0, "false": 0.0}
    try:
        days = known.get(str(value).strip().lower())
        days = float(value) if days is None else days  # type: ignore[arg-type]
    except (TypeError, ValueError):
        days = -1.0
    if not days >= 0:
        raise ConfigurationError(f"history must be True, False or a number of days, not {value!r}.")
    return days


def _days(value: object) -> int:
    try:
        days = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        days = 0
    if isinstance(value, bool) or days < 1:
        raise ConfigurationError(f"metric_days must be a number of days, not {value!r}.")
    return int(days)
