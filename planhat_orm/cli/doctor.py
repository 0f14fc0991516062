"""`planhat doctor`: is everything set up, and if not, what to do."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import Planhat, __version__
from ..errors import AuthenticationError, ConnectionFailed, NotFound, PermissionDenied, PlanhatError
from ..http.retry import Retry
from .connect import MIRROR, ApiUrlOption, MirrorOption, call_once, connect, has_mirror, need_mirror, shown, title
from .out import JsonOption, console, dump, table

_SECONDS = 10.0
_PACKAGES = {
    "core": ("httpcore", "msgspec", "sqlmodel", "sqlalchemy", "alembic"),
    "extra cli": ("typer", "rich"),
    "extra emulator": ("starlette", "uvicorn"),
    "extra postgres": ("psycopg",),
    "extra frames": ("pandas", "polars", "pyarrow"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` is what to do about one that is wrong."""

    what: str
    result: str
    advice: str = ""
    wrong: bool = False


def doctor(
    mirror: MirrorOption = MIRROR,
    api_url: ApiUrlOption = None,
    rescue: Annotated[
        Path | None,
        typer.Option(metavar="NEW", help="Only this: save what can be read of a damaged mirror into a new file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the settings, the token (with one call) and the mirror, and say what to do about what is wrong.

    The mirror is looked at as a whole: its file, every record, the
    search indexes, the outbox.

    For example: planhat doctor --mirror planhat.db
    """
    if rescue is not None:
        need_mirror(mirror)
        with connect(mirror, token=False) as client:
            saved = client.mirror.rescue(rescue)
        dump(asdict(saved)) if as_json else console().print(str(saved))
        return
    findings = []
    for finding in _look(mirror, api_url):
        findings.append(finding)
    wrong = sum(finding.wrong for finding in findings)
    if as_json:
        dump({"ok": not wrong, "checks": [asdict(finding) for finding in findings]})
        raise typer.Exit(1 if wrong else 0)
    table(
        ("", "checked", "found", "what to do"),
        [("wrong" if finding.wrong else "ok", finding.what, finding.result, finding.advice) for finding in findings],
        whole=True,
    )
    console().print("Everything is in place." if not wrong else f"{wrong} of {len(findings)} checks went wrong.")
    if wrong:
        raise typer.Exit(1)


def _look(mirror: str, api_url: str | None) -> Iterator[Finding]:
    yield Finding(
        "versions", f"planhat_orm {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
    for group, names in _PACKAGES.items():
        yield Finding(group, ", ".join(f"{name} {_version(name)}" for name in names))
    try:
        client = Planhat(
            api_url=api_url, mirror=mirror, timeout=_SECONDS, retry=Retry(attempts=2, deadline=2 * _SECONDS)
        )
    except PlanhatError as error:
        yield Finding("settings", str(error), "Correct the variable or option.", wrong=True)
        return
    with client:
        settings = client.settings
        profile = os.environ.get("PLANHAT_PROFILE")
        origin = f"profile {profile}: " if profile else ""
        yield Finding("settings", f"{origin}{settings.api_url}, {settings.calls_per_min:g} calls a minute")
        yield from _token(client)
        tenant = "set" if settings.tenant_token else "PLANHAT_TENANT_TOKEN is not set"
        yield Finding("tenant token", f"{tenant} (needed only to send metrics and activities)")
        yield _mirror(client, mirror)
        if has_mirror(mirror):
            for finding in client.mirror.doctor():
                yield Finding(f"mirror: {finding.what}", finding.result, finding.advice, finding.wrong)


def _token(client: Planhat) -> Iterator[Finding]:
    token = client.settings.api_token
    if not token:
        advice = "Set PLANHAT_API_TOKEN: in Planhat, Settings, Private Apps."
        yield Finding("API token", "PLANHAT_API_TOKEN is not set", advice, wrong=True)
        return
    if token != token.strip(" \t\r\n'\""):
        advice = "Set PLANHAT_API_TOKEN again, the bare token only."
        yield Finding("API token", "spaces or quotes around the token", advice, wrong=True)
        return
    yield Finding("API token", f"set, {len(token)} characters")
    yield _call(client)


def _call(client: Planhat) -> Finding:
    quota: list[str] = []
    client.on("response", lambda pair: quota.append(_limit(pair[1].headers)))
    try:
        call_once(client)
    except (PermissionDenied, NotFound):
        return Finding("a call", "the token is accepted, though it may not list users")
    except AuthenticationError:
        advice = (
            "Make a new token, or set PLANHAT_API_URL to the region of the tenant, such as https://api-us2.planhat.com."
        )
        return Finding("a call", "401: the token is not accepted there", advice, wrong=True)
    except ConnectionFailed:
        proxy = "proxy set" if any(name.lower().endswith("_proxy") for name in os.environ) else "no proxy set"
        advice = f"Check PLANHAT_API_URL and the network ({proxy})."
        return Finding("a call", f"no answer from {client.settings.api_url}", advice, wrong=True)
    except PlanhatError as error:
        return Finding("a call", str(error), "Try again later; if it stays so, ask Planhat's support.", wrong=True)
    return Finding("a call", f"the token is accepted{quota[-1] if quota else ''}")


def _limit(headers: Any) -> str:
    limit = headers.get("x-rate-limit-limit") or headers.get("x-ratelimit-limit")
    return f"; the account's quota is {limit} calls a minute" if limit else ""


def _mirror(client: Planhat, where: str) -> Finding:
    if not has_mirror(where):
        return Finding("mirror", f'none at {where} yet; "planhat sync" makes one')
    try:
        status = client.mirror.status()
    except PlanhatError as error:
        return Finding("mirror", str(error), "Name the mirror with --mirror or PLANHAT_MIRROR.", wrong=True)
    incomplete = [title(model_status.model) for model_status in status if not model_status.complete]
    if incomplete:
        return Finding("mirror", f"incomplete: {', '.join(incomplete)}", "planhat sync", wrong=True)
    rows = sum(model_status.rows for model_status in status)
    oldest = min((model_status.as_of for model_status in status if model_status.as_of), default=None)
    return Finding("mirror", f"{shown(where)}: {rows:,} records, as of {oldest or 'never'}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
