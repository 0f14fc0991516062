"""The options that commands share, and the client they make of them and the environment.

There is no option for a token: a command line is seen by everybody on the machine and kept in the shell's history.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import Planhat
from ..errors import ConfigurationError
from ..models import resources as declared
from ..names import did_you_mean
from ..wire.resources import Resource

MIRROR = "planhat.db"

# Typer brought its own copy of Click at some version, so the class is found by way of one that Typer exports.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""The command line is wrong: exit status 2."""

MirrorOption = Annotated[
    str,
    typer.Option(
        "--mirror",
        envvar="PLANHAT_MIRROR",
        help="The copy. Else PLANHAT_MIRROR, else planhat.db.",
        show_envvar=False,
        show_default=False,
    ),
]
ApiUrlOption = Annotated[
    str | None,
    typer.Option(
        "--api-url", envvar="PLANHAT_API_URL", help="Planhat's address. Else PLANHAT_API_URL.", show_envvar=False
    ),
]
OnlineOption = Annotated[
    bool | None,
    typer.Option(
        "--online/--offline",
        show_default=False,
        help="Ask Planhat, or the mirror. Default: the mirror where it has the model, else Planhat.",
    ),
]
ModelsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="MODEL", help="Company, License, ...", show_default="all")
]


def connect(
    mirror: str | None, api_url: str | None = None, *, token: bool = True, read: Literal["api", "mirror"] = "api"
) -> Planhat:
    """Make the client of a command; with `token` raise `ConfigurationError` before anything when there is none."""
    # A list of everything is what a command line is for, and its cost is told, so no warning.
    client = Planhat(api_url=api_url, mirror=mirror, scan="allow", read=read)
    if token:
        need_token(client)
    return client


def need_token(client: Planhat) -> None:
    """Raise `ConfigurationError` when there is no token to ask Planhat with."""
    if not client.settings.api_token:
        raise ConfigurationError(
            "There is no token: set PLANHAT_API_TOKEN (in Planhat: Settings, Private Apps). "
            'To try things without an account: "planhat demo", or "planhat emulator".'
        )


def call_once(client: Planhat) -> None:
    """Make the cheapest call that needs a token: one user's id. Raises what Planhat says of it."""
    next(iter(client.user.get_list(limit=1, select="_id", max_requests=1)), None)


def has_mirror(where: str) -> bool:
    """Whether there is a mirror to ask. What a database URL leads to is seen when it is opened."""
    path = where.removeprefix("sqlite:///")
    return "://" in path or Path(path).exists()


def need_mirror(where: str) -> None:
    """Raise `ConfigurationError` when there is no mirror, instead of making an empty one."""
    if not has_mirror(where):
        raise ConfigurationError(f'There is no mirror {where}: "planhat sync" makes one, --mirror names another.')


def model(name: str) -> type[Any]:
    """The model called `name`, in any case; Planhat's own plural (`companies`) is understood too."""
    models = {item: getattr(declared, item) for item in declared.__all__}
    folded: dict[str, type[Any]] = {}
    for key, model in models.items():
        for known in (key.lower(), model._meta.resource.name, model._meta.resource.path):
            folded[known] = model
    if name.lower() not in folded:
        raise UsageError(f"There is no model {name!r}.{did_you_mean(name, models)}")
    return folded[name.lower()]


def title(resource: Resource | str) -> str:
    """The name of a resource's model: `Company` for company."""
    wanted = resource if isinstance(resource, str) else resource.name
    return next((item for item in declared.__all__ if getattr(declared, item)._meta.resource.name == wanted), wanted)


def shown(where: str) -> str:
    """The mirror as it may be printed, from the folder that one is in: a database URL can hold a password."""
    scheme, separator, _ = where.partition("://")
    if separator and scheme != "sqlite":
        return f"in {scheme.partition('+')[0]}"
    path = Path(where.removeprefix("sqlite:///"))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
