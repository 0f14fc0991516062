"""The command: which file is shown, where it is served, and what is needed for it."""

from __future__ import annotations

import sqlite3
import webbrowser
from typing import Annotated, Any

import typer

from ... import extras
from ...errors import ConfigurationError
from ..connect import MIRROR, MirrorOption, connect, need_mirror
from ..out import console
from ..serving import listen, serve

_HOST = "127.0.0.1"
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_SETTINGS = {
    "allow_download": False,
    "default_cache_ttl": 0,
    "default_page_size": 50,
    "facet_time_limit_ms": 2000,
    "num_sql_threads": 2,
    "sql_time_limit_ms": 10_000,
    "suggest_facets": False,
    "truncate_cells_html": 100,
}


def browse(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 takes a free one.")] = 8001,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in your browser.")] = False,
    mirror: MirrorOption = MIRROR,
) -> None:
    """Look around in the local copy in a browser, on this machine only, until Ctrl-C. It can only read.

    Views with the names behind ids, links between records, counts by
    status and owner, questions to start from, and SQL of your own.

    For example: planhat browse --open
    """
    need_mirror(mirror)
    serving = server(application(mirror))
    listening = listen(_HOST, port)
    address = f"http://{_HOST}:{listening.getsockname()[1]}/"

    def ready() -> None:
        console().print(f"The mirror is at {address} and can only be read there. Ctrl-C stops it.")
        if open_page:
            webbrowser.open(address)

    serve(serving, listening, ready)


def application(mirror: str) -> Any:
    """Datasette on a mirror, as an ASGI application for this machine."""
    extras.load("datasette", extra="browse", need="Browsing needs")
    extras.load("starlette", extra="browse", need="Browsing needs")
    from datasette.app import Datasette

    from ...emulator.local_only import LocalOnly
    from . import links
    from .csv_cells import GuardedCsv
    from .metadata import described

    # Datasette has Python print every error of a function of ours in SQL, in the whole process.
    sqlite3.enable_callback_tracebacks(False)
    with connect(mirror, token=False) as client:
        path = client.mirror.database.path
        if path is None:
            raise ConfigurationError("Only a mirror in a file can be browsed: PostgreSQL has tools of its own.")
        metadata = described(client.mirror.database, path)
    links.register()
    served = Datasette([str(path)], metadata=metadata, settings=_SETTINGS)
    return LocalOnly(GuardedCsv(served.app()), headers=_HEADERS)


def server(app: Any) -> Any:
    """What serves the application."""
    uvicorn: Any = extras.load("uvicorn", extra="browse", need="Browsing needs")
    return uvicorn.Server(
        uvicorn.Config(
            app, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False, proxy_headers=False
        )
    )
