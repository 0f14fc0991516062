"""The command: where the demo keeps its file, how large its tenant is, and its exit code."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ... import files
from ..connect import MIRROR
from ..emulator import need_emulator
from ..out import console


def demo(
    companies: Annotated[int, typer.Option("--companies", min=1, help="How many companies.")] = 500,
    endusers: Annotated[int, typer.Option("--endusers", min=0, help="How many contacts.")] = 10_000,
    licenses: Annotated[int, typer.Option("--licenses", min=0, help="How many licences.")] = 1_500,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same records.")] = 1,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep the copy in this folder.", show_default=False),
    ] = None,
    quota: Annotated[int, typer.Option("--quota", min=1, help="Calls a minute; Planhat's is 200.")] = 200,
) -> None:
    """See the whole job in under a minute, on an emulated Planhat: no account, no token, nothing kept.

    It copies a tenant, asks questions offline, changes a few hundred
    records in three requests, and proves that the copy and the server
    agree. It ends with exit code 1 if they do not.

    For example: planhat demo --companies 200
    """
    try:
        from ...emulator import Emulator
    except ModuleNotFoundError as missing:
        raise need_emulator(missing) from None
    from .story import Story

    out = console()
    out.print("The main job of planhat_orm, on an emulated Planhat. It needs no account and no network.")
    if os.environ.get("PLANHAT_API_TOKEN"):
        out.print('PLANHAT_API_TOKEN is set, and not used here: "planhat sync" does the same with your own tenant.')
    with TemporaryDirectory(prefix="planhat-demo-") as folder:
        mirror = Path(folder, MIRROR) if keep is None else _kept(keep)
        emulator = Emulator(companies, seed, calls_per_min=quota, endusers=endusers, licenses=licenses)
        good = Story(emulator, mirror, quota, out).tell()
    if keep is not None:
        out.print(f"\nThe copy is kept. Ask it: planhat query Company custom__Tier=A --mirror {mirror}")
    if not good:
        raise typer.Exit(1)


def _kept(folder: Path) -> Path:
    """The file for a copy that stays; one that is there already belongs to something else."""
    folder.mkdir(parents=True, exist_ok=True)
    mirror = folder / MIRROR
    files.check_free_database(mirror, "choose another folder, or delete it")
    return mirror
