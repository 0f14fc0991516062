"""The files of a SQLite mirror: which they are, how large, and whether they are still those that were opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ...errors import MirrorError

_PARTS = ("", "-wal", "-shm", "-journal")
_BESIDE = ("-inbox", "-quota")


def resolved(where: str | os.PathLike[str]) -> str:
    """A mirror's path, absolute and without `~`, so that it names the same file from any folder; URLs alike."""
    text = os.fspath(where)
    if not text or text == ":memory:":
        return text
    if "://" not in text:
        return str(Path(text).expanduser().absolute())
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return text
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return text
    return url.set(database=resolved(url.database)).render_as_string(hide_password=False)


def parts(path: Path) -> Iterator[Path]:
    """The files that a mirror consists of, as far as they are there: what waits in its log, its inbox and quota too."""
    for name in (path.name, *(path.name + beside for beside in _BESIDE)):
        for part in _PARTS:
            file = path.with_name(name + part)
            if file.exists():
                yield file


def size(path: Path) -> int:
    """How many bytes a mirror takes, in all of its files."""
    return sum(part.stat().st_size for part in parts(path))


class OpenedFile:
    """A file as it was when it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_lost = False
        self.is_writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        self._identity = self._look()

    def check(self) -> None:
        """Raise `MirrorError` where another file, or none, has the name by now."""
        if self._look() == self._identity:
            return
        self.is_lost = True
        if self.path.exists():
            raise MirrorError(
                f"The mirror {self.path} was replaced by another file while it was open, so what was said of it may "
                f"not hold any more. The next call opens the new file."
            )
        raise MirrorError(
            f"The mirror {self.path} was deleted while it was open, with the writes that waited in it. Put it back; "
            f"else the next call begins an empty one, and planhat.sync() fills it."
        )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino
