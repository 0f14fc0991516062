"""Settings: arguments first, then the environment, then Planhat's own defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..http.secrets import Secrets, Token, find_fault, masked
from ..names import quoted
from ..scopes.accounts import Account
from ..scopes.accounts import account as account_of

API_URL = "https://api.planhat.com"
ANALYTICS_URL = "https://analytics.planhat.com"
METRIC_DAYS = 90


class MirrorAddress(str):
    """The path or URL of a mirror, which shows without the password that a database's URL may hold."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(masked(self))


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
    zone: tzinfo
    account: Account

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
    mirror: str | os.PathLike[str] | None,
    calls_per_min: float | None,
    history: bool | float | None = None,
    metric_days: int | None = None,
    allow_http: bool | None = None,
    timezone: str | tzinfo | None = None,
    account: str | None = None,
) -> Settings:
    """Fill in what was not given. Raises `ConfigurationError` for what cannot be used."""
    env = os.environ
    clear = _switch(allow_http, "allow_http")
    secrets = Secrets(_token(given, "api_token"), _token(given, "tenant_token"))
    chosen_url = _url(api_url or env.get("PLANHAT_API_URL") or API_URL, "api_url", clear)
    address = _whole(mirror or env.get("PLANHAT_MIRROR") or None)
    chosen_mirror = None if address is None else MirrorAddress(address)
    return Settings(
        secrets=secrets,
        api_url=chosen_url,
        analytics_url=_url(
            analytics_url or env.get("PLANHAT_ANALYTICS_URL") or _analytics(api_url), "analytics_url", clear
        ),
        mirror=chosen_mirror,
        account=_account(account or env.get("PLANHAT_ACCOUNT") or None, chosen_url, secrets, chosen_mirror),
        calls_per_min=_calls(calls_per_min, env.get("PLANHAT_CALLS_PER_MIN", "200")),
        history=_history(history if history is not None else env.get("PLANHAT_HISTORY") or True),
        metric_days=_days(metric_days if metric_days is not None else env.get("PLANHAT_METRIC_DAYS") or METRIC_DAYS),
        zone=_zone(timezone if timezone is not None else env.get("PLANHAT_TIMEZONE") or "UTC"),
    )


def _whole(given: object) -> str | None:
    """A mirror's file as an absolute path: it names the same file wherever the program goes. A URL stays as it is."""
    mirror = os.fspath(given) if isinstance(given, (str, os.PathLike)) else None
    if given is not None and not isinstance(mirror, str):
        raise ConfigurationError(
            f"mirror must be a path such as 'planhat.db', or a database's URL as text, not {type(given).__name__}."
        )
    if mirror is None or "://" in mirror or mirror == ":memory:":
        return mirror
    return str(Path(mirror).expanduser().absolute())


def _account(name: object, api_url: str, secrets: Secrets, mirror: str | None) -> Account:
    """The account behind the settings; a mirror has to know it the next time, and a function is not to be known."""
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise ConfigurationError(f"account must be a name for the account, such as 'acme', not {quoted(name)}.")
    token = secrets.given("api_token") or secrets.given("tenant_token")
    if name is None and mirror is not None and callable(token):
        raise ConfigurationError(
            "A mirror belongs to one account, which cannot be told by a function that returns a token: name it with "
            "Planhat(account='acme') or PLANHAT_ACCOUNT."
        )
    return account_of(api_url, token, name.strip() if name is not None else None)


def _analytics(api_url: str | None) -> str:
    """An emulator serves both hosts on one address; Planhat's analytics host is one for every region."""
    given = api_url or os.environ.get("PLANHAT_API_URL")
    host = urlsplit(given).hostname if given else None
    return given if given and is_loopback(host or "") else ANALYTICS_URL


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that what goes there is on no network."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _token(given: Secrets, name: str) -> Token:
    """A token, or the function that gives it; without either that of the environment."""
    token = given.given(name)
    if token is None or (isinstance(token, str) and not token):
        token = os.environ.get(f"PLANHAT_{name.upper()}") or ""
    if callable(token):
        return token
    wrong = find_fault(token, name)
    if wrong:
        del token, given  # tools that print the variables of a frame must not find it here
        raise ConfigurationError(wrong)
    return token.strip() or None


def _url(url: str, name: str, allow_http: bool) -> str:
    if not isinstance(url, str):
        raise ConfigurationError(f"{name} must be an address such as {API_URL}, not {type(url).__name__}.")
    url = url.strip()
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isascii()
    except ValueError:
        raise ConfigurationError(f"{name} must be an address such as {API_URL}; its host or port is wrong.") from None
    if "@" in url:
        raise ConfigurationError(f"{name} must not carry a user or password: tokens have settings of their own.")
    if not good or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ConfigurationError(f"{name} must be an address such as {API_URL}, not {url!r}.")
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"{name} is {url!r}, and http:// sends the token in clear: use https://. To insist, pass "
            f"Planhat(allow_http=True) or set PLANHAT_ALLOW_HTTP=1."
        )
    return url.rstrip("/")


def _switch(value: object, name: str) -> bool:
    """A setting that is on or off: as an argument a bool, in the environment a word."""
    if isinstance(value, bool):
        return value
    variable = f"PLANHAT_{name.upper()}"
    word = os.environ.get(variable, "").strip().lower()
    if value is not None or word not in _WORDS:
        what = (
            f"{name} must be True or False, not {quoted(value)}" if value is not None else f"{variable} must be 1 or 0"
        )
        raise ConfigurationError(f"{what}.")
    return _WORDS[word]


_WORDS = {
    "1": True,
    "true": True,
    "on": True,
    "yes": True,
    "0": False,
    "false": False,
    "off": False,
    "no": False,
    "": False,
}


def _calls(given: object, word: str) -> float:
    """The quota: as an argument a number, in the environment its digits."""
    value = word if given is None else given
    try:
        calls = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        calls = 0.0
    if isinstance(given, (bool, str, bytes)) or not 0 < calls < float("inf"):
        raise ConfigurationError(f"calls_per_min must be a positive number, not {quoted(value)}.")
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
        raise ConfigurationError(f"history must be True, False or a number of days, not {quoted(value)}.")
    return days


def _days(value: object) -> int:
    try:
        days = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        days = 0
    if isinstance(value, bool) or days < 1:
        raise ConfigurationError(f"metric_days must be a number of days, not {quoted(value)}.")
    return int(days)


def _zone(value: object) -> tzinfo:
    """The zone that moments without one are read in."""
    if isinstance(value, tzinfo):
        return value
    if value == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(str(value))
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ConfigurationError(
            f"timezone must be a name such as Europe/Stockholm, or a tzinfo, not {quoted(value)}. (Where the system "
            f"has no time zones, as on Windows: pip install tzdata.)"
        ) from None
