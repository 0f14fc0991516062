"""The list of commands, in the order of `--help`. Each is a function, or a group of them, in a module of its own.

A module is imported and its options are read when its command is asked for: that takes longer than most commands run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from .. import __version__
from . import profiles

_COMMANDS = {
    "demo": "demo.command.demo",
    "init": "init.init",
    "doctor": "doctor.doctor",
    "sync": "sync.sync",
    "plan": "sync.plan",
    "status": "status.status",
    "query": "query.query",
    "sql": "sql.sql",
    "search": "search.search",
    "show": "show.show",
    "export": "export.export",
    "report": "report.report",
    "browse": "browse.command.browse",
    "backup": "backup.backup",
    "push": "push.push",
    "history": "history.history",
    "forget": "forget.forget",
    "undo": "undo.undo",
    "models": "models.models",
    "emulator": "emulator.emulator",
    "mirror": "mirror.app",
    "outbox": "push.outbox",
    "webhook": "webhook.app",
    "metrics": "metrics.app",
}
"""Where each command is: the module, and the function or the group in it."""
_MARKUP: Final = "rich"


def _made(name: str) -> Any:
    """A command as Click has it."""
    module, _, attribute = _COMMANDS[name].rpartition(".")
    command: Any = getattr(import_module(f".{module}", __package__), attribute)
    part = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=_MARKUP)
    if isinstance(command, typer.Typer):
        part.add_typer(command, name=name)
    else:
        # The help is shown as it is written: rich would take brackets for its markup.
        part.command(name, help=inspect.cleandoc(command.__doc__ or "").replace("[", "\\["))(command)
    return get_group(part).commands[name]


class _Commands(MutableMapping[str, Any]):
    """The commands by name, each made when it is asked for."""

    def __init__(self) -> None:
        self._by_name: dict[str, Any] = dict.fromkeys(_COMMANDS)

    def __getitem__(self, name: str) -> Any:
        command = self._by_name[name]
        if command is None:
            command = self._by_name[name] = _made(name)
        return command

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __setitem__(self, name: str, command: Any) -> None:
        self._by_name[name] = command

    def __delitem__(self, name: str) -> None:
        del self._by_name[name]


class _Group(TyperGroup):
    """All commands. Typer would make every one of them before it looks which is meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands()


app = typer.Typer(
    name="planhat",
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKUP,
)

_WITHOUT_SETTINGS = {"demo", "emulator", "init"}


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"planhat_orm {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def planhat(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option("--profile", envvar="PLANHAT_PROFILE", help='The account that "planhat init" wrote down.'),
    ] = None,
) -> None:
    """Planhat's records on the command line: a local copy, questions to it, and an emulator to try things on.

    Settings come from a profile ("planhat init"), or from
    PLANHAT_API_TOKEN, PLANHAT_TENANT_TOKEN, PLANHAT_API_URL,
    PLANHAT_MIRROR and PLANHAT_CALLS_PER_MIN, also in a file .env.
    "planhat doctor" checks them; "planhat demo" needs none of them.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
    elif context.invoked_subcommand not in _WITHOUT_SETTINGS:
        profiles.choose(profile)
