"""`planhat init`: a profile, asked for line by line or given by options."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from enum import StrEnum
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import Planhat, files
from ..errors import ConfigurationError, NotFound, PermissionDenied
from ..http.retry import Retry
from .connect import call_once
from .out import say
from .profiles import DEFAULT, KEYRING, SETTINGS, keyring, profiles_file, read_profiles

_HOST = "https://api.planhat.com"
_SECONDS = 10.0


class Keep(StrEnum):
    """Where a token is kept: the file that only you can read, the system's keyring, or a variable."""

    file = "file"
    keyring = "keyring"
    env = "env"


def init(
    name: Annotated[str, typer.Argument(metavar="PROFILE", help="A name for the account, such as eu.")],
    api_url: Annotated[str | None, typer.Option("--api-url", help="Planhat's address.")] = None,
    mirror: Annotated[str | None, typer.Option("--mirror", help="Its local copy.")] = None,
    keep: Annotated[Keep | None, typer.Option("--keep", help="Where the token is kept.")] = None,
    variable: Annotated[
        str, typer.Option("--variable", help="With --keep env. Else PLANHAT_API_TOKEN.", show_default=False)
    ] = "PLANHAT_API_TOKEN",
    check: Annotated[bool, typer.Option("--check/--no-check", help="Try the token with one call.")] = True,
    default: Annotated[bool, typer.Option("--default", help="Use it where no profile is named.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the profile if it is there.")] = False,
) -> None:
    """Write a profile: the settings of one account, for "planhat --profile NAME".

    What no option gives is asked for. The token is typed unseen, or
    read from standard input. The first profile is the default one.

    For example: planhat init eu --api-url https://api-eu3.planhat.com
    """
    profiles = read_profiles()
    if name == DEFAULT:
        raise ConfigurationError(f"{DEFAULT} names the profile that is used: choose another name.")
    if name in profiles and not force:
        raise ConfigurationError(f"There is a profile {name!r} already: --force replaces it.")
    profile: dict[str, Any] = {
        "api_url": api_url or _ask("Planhat's address", _HOST),
        "mirror": _absolute(mirror or _ask("The local copy", str(_mirror_of(name)))),
        "account": name,
    }
    chosen = keep or Keep(_ask("Keep the token in", Keep.file, kind=Keep))
    token = os.environ.get(variable, "") if chosen is Keep.env else _ask_token()
    if not token:
        raise ConfigurationError(f"{variable} is not set." if chosen is Keep.env else "There is no token to keep.")
    if check:
        _check(token, profile["api_url"])
    if chosen is Keep.keyring:
        keyring().set_password(KEYRING, f"{name}:api_token", token)
    profile |= {
        Keep.file: {"api_token": token},
        Keep.keyring: {"api_token_from": "keyring"},
        Keep.env: {"api_token_from": f"env:{variable}"},
    }[chosen]
    _write(name, profile, default or not profiles)
    say(f'{profiles_file()} has the profile {name}. Next: "planhat --profile {name} sync".')


def _ask(question: str, default: str, *, kind: type[str] = str) -> str:
    """Ask for a setting, again until it is of its kind; the default where nobody is there to be asked."""
    if not sys.stdin.isatty():
        return default
    return str(typer.prompt(question, default=str(default), type=kind, err=True))


def _ask_token() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    # It stops the echo before it asks, which Click does afterwards: what is pasted at once would be seen, and lost.
    return getpass("API token (Planhat: Settings, Private Apps): ").strip()


def _mirror_of(name: str) -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("planhat")) / f"{name}.db"


def _absolute(mirror: str) -> str:
    """A profile is used from any folder."""
    return mirror if "://" in mirror else str(Path(mirror).expanduser().absolute())


def _check(token: str, api_url: str) -> None:
    """Raise what Planhat says of the token; one that may not list users is still a token."""
    retry = Retry(attempts=2, deadline=2 * _SECONDS)
    client = Planhat(token, api_url=api_url, timeout=_SECONDS, retry=retry)
    with client, suppress(PermissionDenied, NotFound):
        call_once(client)


def _write(name: str, profile: dict[str, Any], default: bool) -> None:
    """Write the profile into the file; what else is in it stays, comments too."""
    import tomlkit

    path = profiles_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = path.read_text("utf-8") if path.exists() else ""
    document = tomlkit.parse(text)
    if default and DEFAULT not in document:
        # A key after a table would belong to that table.
        document = tomlkit.parse(f'{DEFAULT} = ""\n\n{text}')
    if default:
        document[DEFAULT] = name
    table = tomlkit.table()
    table.update({key: profile[key] for key in SETTINGS if key in profile})
    document[name] = table
    files.write_text(path, tomlkit.dumps(document), replace=True, private=True)
