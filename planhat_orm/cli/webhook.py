"""`planhat webhook`: the receiver as a service, the body to paste into an automation, and what waits."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ..errors import ConfigurationError
from . import serving
from .connect import MIRROR, ApiUrlOption, MirrorOption, connect, model, need_mirror
from .out import JsonOption, console, dump, say, table

app = typer.Typer(help="Keep the local copy up to date with webhooks of Planhat's automations.", no_args_is_help=True)
_VARIABLE = "PLANHAT_HOOK_SECRET"


@app.command("serve")
def serve(
    host: Annotated[str, typer.Option("--host", help="Where to listen; 0.0.0.0 for all addresses.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8090,
    header: Annotated[str, typer.Option("--header", help="The header that holds the secret.")] = "X-Hook-Secret",
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
) -> None:
    """Take webhooks until it is stopped. Needs PLANHAT_HOOK_SECRET.

    Each says which record changed; it is read again and written into the local copy, which "planhat sync" has made.
    Several secrets, for changing them, stand with commas between them.

    For example: planhat webhook serve --port 8000
    """
    secrets = [text.strip() for text in os.environ.get(_VARIABLE, "").split(",") if text.strip()]
    if not secrets:
        raise ConfigurationError(f"There is no secret: set {_VARIABLE} to what the automation sends in {header}.")
    need_mirror(mirror)
    try:
        import uvicorn
    except ModuleNotFoundError:
        raise ConfigurationError('A receiver needs one package more: pip install "planhat_orm[webhooks]"') from None
    from ..webhooks import Receiver

    with connect(mirror, api_url) as client:
        hooks = Receiver(client, secret=secrets, header=header)
        config = uvicorn.Config(hooks, ws="none", log_config=None, access_log=False, server_header=False)
        announcement = f"Webhooks are taken at http://{host}:{port}/. Ctrl-C stops it; what waits is kept."
        serving.serve(uvicorn.Server(config), serving.listen(host, port), lambda: say(announcement))
        done = hooks.counts
        say(f"{done.accepted:,} webhooks, {done.pulled:,} records read again with {done.requests:,} requests.")


@app.command("template")
def template(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Company, License, ...")],
    deleted: Annotated[bool, typer.Option("--deleted", help="For an automation that runs on deletion.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="With the record's fields, for trust=body.")] = False,
) -> None:
    """Print the JSON body to paste into an automation's webhook step.

    For example: planhat webhook template Company
    """
    from ..webhooks import template as body

    typer.echo(body(model(name), event="deleted" if deleted else "changed", whole=whole))


@app.command("status")
def status(
    mirror: MirrorOption = MIRROR,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what was given up.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what waits, and what was given up after eight tries.

    For example: planhat webhook status --retry
    """
    need_mirror(mirror)
    with connect(mirror, token=False) as client:
        inbox = client.mirror.inbox
        if retry:
            say(f"{inbox.unpark():,} are tried again.")
        waiting, _ = inbox.counts()
        parked = inbox.parked()
    if as_json:
        given_up = [dict(zip(("what", "record", "error"), row, strict=True)) for row in parked]
        dump({"waiting": waiting, "given_up": given_up})
        return
    if parked:
        table(("what", "record", "error"), parked)
    console().print(f"{waiting:,} records wait, {len(parked):,} are given up.")
