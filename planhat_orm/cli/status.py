"""`planhat status`: how current the mirror is."""

from __future__ import annotations

from .connect import MIRROR, MirrorOption, connect, need_mirror, title
from .out import console, table


def status(mirror: MirrorOption = MIRROR) -> None:
    """Show what the local copy holds, and how current it is.

    Every change that Planhat had stored by "as of" is in the copy;
    "pending" counts the writes that wait to be sent.
    """
    need_mirror(mirror)
    with connect(mirror, None, token=False) as client:
        found = client.mirror.status()
        rows = [
            [
                title(record.model),
                record.rows,
                _moment(record.as_of) if record.complete else "incomplete",
                record.method,
                record.pending,
            ]
            for record in found
        ]
        to = console()
        table(("model", "records", "as of", "method", "pending"), rows, to=to)
        size = "" if found.bytes is None else f", {found.bytes / 1e6:,.1f} MB"
        to.print(f"{mirror if '://' not in mirror else found.where}{size}")
        if not rows:
            to.print('Nothing was synced yet: "planhat sync" does it.')


def _moment(text: str | None) -> str:
    return "" if text is None else f"{text[:19].replace('T', ' ')} UTC"
