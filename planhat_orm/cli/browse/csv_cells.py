"""CSV that Datasette writes, cell by cell as the exports write it: nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...tabular.cells import guard

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


class GuardedCsv:
    """Passes everything through, but for paths that end in `.csv`: their cells are guarded, as they stream by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        csv.field_size_limit(2**31 - 1)  # of this process: a cell may hold all custom fields of a record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].endswith(".csv"):
            await self._app(scope, receive, send)
            return
        records = _Records()

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
                message = {**message, "headers": headers}
            elif message["type"] == "http.response.body":
                more = message.get("more_body", False)
                message = {**message, "body": records.add(message.get("body", b""), is_last=not more)}
            await send(message)

        await self._app(scope, receive, guarded)


class _Records:
    """Cuts a stream of CSV where its records end, and guards their cells."""

    def __init__(self) -> None:
        self._left = b""

    def add(self, data: bytes, *, is_last: bool) -> bytes:
        """The guarded text of the records that are whole by now; of all that is left at the end."""
        self._left += data
        end = len(self._left) if is_last else self._whole()
        part, self._left = self._left[:end], self._left[end:]
        to = io.StringIO(newline="")
        csv.writer(to).writerows(_guarded(part.decode("utf-8", "replace")))
        return to.getvalue().encode()

    def _whole(self) -> int:
        """Where the last record ends: at the end of a line, with no quote open."""
        end = self._left.rfind(b"\n") + 1
        while end and self._left.count(b'"', 0, end) % 2:
            end = self._left.rfind(b"\n", 0, end - 1) + 1
        return end


def _guarded(text: str) -> Iterator[list[str]]:
    for row in csv.reader(io.StringIO(text, newline="")):
        yield [cell if _NUMBER.fullmatch(cell) else guard(cell) for cell in row]
