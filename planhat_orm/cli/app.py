"""The list of commands. Each is a function in a module of its own, registered here in the order of `--help`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from .. import __version__
from . import (
    backup,
    doctor,
    emulator,
    export,
    forget,
    history,
    init,
    metrics,
    mirror,
    models,
    profiles,
    push,
    query,
    report,
    search,
    show,
    sql,
    status,
    sync,
    undo,
    webhook,
)
from .browse import command as browse
from .demo import command as demo

app = typer.Typer(
    name="planhat",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
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


def _command(name: str, function: Callable[..., None]) -> None:
    """Register a command whose help is shown as it is written: rich would take brackets for its markup."""
    app.command(name, help=inspect.cleandoc(function.__doc__ or "").replace("[", "\\["))(function)


_command("demo", demo.demo)
_command("init", init.init)
_command("doctor", doctor.doctor)
_command("sync", sync.sync)
_command("plan", sync.plan)
_command("status", status.status)
_command("query", query.query)
_command("sql", sql.sql)
_command("search", search.search)
_command("show", show.show)
_command("export", export.export)
_command("report", report.report)
_command("browse", browse.browse)
_command("backup", backup.backup)
app.add_typer(mirror.app, name="mirror")
_command("push", push.push)
app.add_typer(push.outbox, name="outbox")
app.add_typer(webhook.app, name="webhook")
_command("history", history.history)
_command("forget", forget.forget)
_command("undo", undo.undo)
_command("models", models.models)
app.add_typer(metrics.app, name="metrics")
_command("emulator", emulator.emulator)
