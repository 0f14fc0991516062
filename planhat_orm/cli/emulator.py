"""`planhat emulator`: a Planhat of your own on this computer, until Ctrl-C."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigurationError
from .out import console, say
from .signals import ending_on_signals

if TYPE_CHECKING:
    from ..emulator import Emulator


def _size(name: str, what: str) -> Any:
    return typer.Option(name, min=0, help=f"How many {what}.", show_default="follows the companies")


def emulator(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 takes a free one.")] = 8080,
    companies: Annotated[int, typer.Option("--companies", min=0, help="How many companies; 0 for none.")] = 500,
    users: Annotated[int | None, _size("--users", "team members")] = None,
    endusers: Annotated[int | None, _size("--endusers", "contacts")] = None,
    licenses: Annotated[int | None, _size("--licenses", "licences")] = None,
    conversations: Annotated[int | None, _size("--conversations", "conversations")] = None,
    tasks: Annotated[int | None, _size("--tasks", "tasks")] = None,
    now: Annotated[
        datetime | None,
        typer.Option("--now", help="What day it is there.", formats=["%Y-%m-%d"], show_default="today"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same records.")] = 1,
    calls_per_min: Annotated[
        int, typer.Option("--calls-per-min", min=0, help="The quota, as Planhat's; 0 for none.")
    ] = 200,
    page_cap: Annotated[
        int | None, typer.Option("--page-cap", min=1, help="Records in a page at most.", show_default="as Planhat")
    ] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.001, help="How fast its clock goes.")] = 1.0,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", metavar="URL", help="Post there when a record changes, with PLANHAT_HOOK_SECRET."),
    ] = None,
    switch: Annotated[
        list[str] | None,
        typer.Option(
            "--switch", metavar="NAME=VALUE", help="What the API's documentation leaves open; again for more."
        ),
    ] = None,
) -> None:
    """Serve an emulated Planhat on this computer: seeded records, the real rules, nothing kept after Ctrl-C.

    For example: planhat emulator --companies 100 --now 2026-01-31
    """
    try:
        from ..emulator import Emulator
        from ..emulator.switches import read_switches
    except ModuleNotFoundError as missing:
        raise need_emulator(missing) from None
    sizes: dict[str, Any] = {
        "users": users, "endusers": endusers, "licenses": licenses, "conversations": conversations, "tasks": tasks
    }  # fmt: skip
    served = Emulator(
        companies,
        seed,
        calls_per_min=calls_per_min or None,
        speed=speed,
        port=port,
        page_cap=page_cap,
        switches=read_switches(switch or ()),
        today=datetime.now(UTC) if now is None else now.date(),
        **{name: size for name, size in sizes.items() if size is not None},
    )
    if webhook is not None:
        _add_webhooks(served, webhook)
    stopping = threading.Event()
    with ending_on_signals(stopping.set), served:
        console().print(
            f"An emulated Planhat with {inventory(served)} is at {served.url}\n"
            f"Its records, calls and faults: {served.url}/__emulator__/\n"
            f"It is {served.store.moments.now():%Y-%m-%d %H:%M} UTC there.\n"
            f"Quota: {f'{calls_per_min} calls a minute' if calls_per_min else 'none'}\n"
            f"\n"
            f"To use it, paste this into another terminal:\n"
            f"\n"
            f"export PLANHAT_API_URL={served.url}\n"
            f"export PLANHAT_API_TOKEN={served.api_token}\n"
            f"export PLANHAT_TENANT_TOKEN={served.tenant_token}\n"
            f"\n"
            f"Ctrl-C stops it."
        )
        while not stopping.wait(1.0):
            pass
        say(f"Stopped after {served.calls:,} calls.")


def _add_webhooks(served: Emulator, url: str) -> None:
    """Have each change of a listed model posted to an address, with the bodies of `planhat webhook template`."""
    from ..mirror.db.layout import layouts
    from ..webhooks import template

    secret = os.environ.get("PLANHAT_HOOK_SECRET", "").partition(",")[0]
    for name, layout in layouts().items():
        if "_id" in layout.resource.fields and name != "metric":
            title = layout.resource.name
            served.add_webhook(url, name, template(title), secret=secret, events=("create", "update"))
            served.add_webhook(url, name, template(title, event="deleted"), secret=secret, events=("delete",))


def inventory(served: Emulator) -> str:
    """What a tenant holds, in words."""
    kinds = (
        ("company", "companies"), ("enduser", "contacts"), ("license", "licences"), ("conversation", "conversations"),
        ("task", "tasks"), ("user", "team members"),
    )  # fmt: skip
    return ", ".join(f"{len(served.store.table(name)):,} {words}" for name, words in kinds)


def need_emulator(missing: ModuleNotFoundError) -> Exception:
    """The error for an emulator whose packages are not installed; `missing` itself when it is something else."""
    if missing.name is None or missing.name.partition(".")[0] not in ("starlette", "uvicorn"):
        return missing
    return ConfigurationError('The emulator needs two packages more: pip install "planhat_orm[emulator]"')
