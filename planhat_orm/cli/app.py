"""The list of commands. Each is a function in a module of its own, registered here in the order of `--help`."""

from __future__ import annotations

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


app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.command("sync")(sync.sync)
app.command("plan")(sync.plan)
app.command("status")(status.status)
app.command("query")(query.query)
app.command("sql")(sql.sql)
app.command("search")(search.search)
app.command("show")(show.show)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("browse")(browse.browse)
app.command("backup")(backup.backup)
app.add_typer(mirror.app, name="mirror")
app.command("push")(push.push)
app.add_typer(push.outbox, name="outbox")
app.add_typer(webhook.app, name="webhook")
app.command("history")(history.history)
app.command("forget")(forget.forget)
app.command("undo")(undo.undo)
app.command("models")(models.models)
app.add_typer(metrics.app, name="metrics")
app.command("emulator")(emulator.emulator)
