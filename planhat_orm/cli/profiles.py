"""Where a command takes its settings from: a profile, the environment, `.env`, or the default profile.

They come whole from the first of these that there is, so that the token of one account never goes to the host, nor into
the mirror, of another. The library itself reads the environment only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..names import did_you_mean

KEYRING = "planhat_orm"
DEFAULT = "default_profile"
TOKENS = ("api_token", "tenant_token")
_SOURCES = tuple(f"{token}_from" for token in TOKENS)
_ACCOUNT = (*TOKENS, "api_url", "analytics_url", "mirror", "account", "allow_http")
SETTINGS = (*_ACCOUNT, *_SOURCES, "timezone", "calls_per_min", "history", "metric_days")
_PREFIX = "PLANHAT_"


def profiles_file() -> Path:
    """The file that holds the profiles, also where it does not exist yet."""
    import platformdirs

    given = os.environ.get("PLANHAT_CONFIG")
    return Path(given).expanduser() if given else Path(platformdirs.user_config_dir("planhat")) / "profiles.toml"


@contextmanager
def own_environment() -> Iterator[None]:
    """Undo at the end what a command put into the environment of its process."""
    before = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith(_PREFIX)]:
            del os.environ[name]
        os.environ.update(before)


def choose(name: str | None) -> None:
    """Put the settings that are meant into the environment; `name` is a profile asked for on the command line."""
    if name is not None:
        profile = read_profiles().get(name)
        if profile is None:
            raise ConfigurationError(_no_profile(name))
        found = _variables(name, profile, os.environ)
        for key in _ACCOUNT:
            os.environ.pop(_variable(key), None)
        os.environ.update(found, PLANHAT_PROFILE=name)
    elif _variable("api_token") not in os.environ:
        for variable, value in (_dotenv() or _default()).items():
            os.environ.setdefault(variable, value)


def read_profiles() -> dict[str, dict[str, Any]]:
    """The profiles by name, checked; empty where there is no file."""
    return {name: value for name, value in _read(profiles_file()).items() if isinstance(value, dict)}


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # only here, as most settings come from the environment

    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        # The parser's own text may quote a line with a token.
        raise ConfigurationError(
            f"{path} is not TOML ({type(error).__name__}): correct it, or see planhat init."
        ) from None
    for name, value in content.items():
        if isinstance(value, dict):
            _check(path, name, value)
        elif name != DEFAULT or not isinstance(value, str):
            raise ConfigurationError(f"{path}: {name} is no table of settings: [{name}].")
    return content


def _check(path: Path, name: str, profile: Mapping[str, Any]) -> None:
    for key, value in profile.items():
        if key not in SETTINGS:
            raise ConfigurationError(f"{path}: [{name}] has no setting {key!r}.{did_you_mean(key, SETTINGS)}")
        if not isinstance(value, (str, int, float)):
            raise ConfigurationError(f"{path}: {key} of [{name}] must be a text or a number.")
    if os.name == "posix" and any(token in profile for token in TOKENS) and path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} holds a token and is readable for others: chmod 600 {path}")


def _no_profile(name: str) -> str:
    names = sorted(read_profiles())
    there = f" There are: {', '.join(names)}." if names else ""
    return f"There is no profile {name!r} in {profiles_file()}.{there} planhat init {name} makes it."


def _default() -> dict[str, str]:
    content = _read(profiles_file())
    name = content.get(DEFAULT)
    if name is None:
        return {}
    if name not in content:
        raise ConfigurationError(_no_profile(name))
    return {**_variables(name, content[name], os.environ), "PLANHAT_PROFILE": name}


def _dotenv() -> dict[str, str]:
    """The settings in `.env` of this folder."""
    if not Path(".env").is_file():
        return {}
    from dotenv import dotenv_values

    try:
        values = dotenv_values(".env", interpolate=False)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{Path('.env').absolute()} is not text in UTF-8: correct it, or move it.") from None
    return {name: value for name, value in values.items() if name.startswith(_PREFIX) and value is not None}


def _variable(key: str) -> str:
    return _PREFIX + key.upper()


def _variables(name: str, profile: Mapping[str, Any], environment: MutableMapping[str, str]) -> dict[str, str]:
    """The environment that a profile stands for, its tokens fetched from where they are kept."""
    found = {_variable(key): _text(value) for key, value in profile.items() if key not in _SOURCES}
    for token, source in zip(TOKENS, _SOURCES, strict=True):
        if source in profile:
            found[_variable(token)] = _token(name, token, str(profile[source]), environment)
    return found


def _text(value: str | int | float) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _token(name: str, token: str, source: str, environment: Mapping[str, str]) -> str:
    kind, _, variable = source.partition(":")
    if kind == "env" and variable:
        if not environment.get(variable):
            raise ConfigurationError(f"The profile {name!r} takes its {token} from {variable}, which is not set.")
        return environment[variable]
    if source != "keyring":
        raise ConfigurationError(f"{token}_from of the profile {name!r} must be keyring or env:NAME, not {source!r}.")
    value = keyring().get_password(KEYRING, f"{name}:{token}")
    if value is None:
        raise ConfigurationError(f"The system's keyring has no {token} of the profile {name!r}: planhat init {name}.")
    return str(value)


def keyring() -> Any:
    """The module `keyring`; an error that says how to get it."""
    try:
        import keyring as module
    except ModuleNotFoundError:
        raise ConfigurationError('The system\'s keyring needs a package: pip install "planhat_orm[keyring]"') from None
    return module
