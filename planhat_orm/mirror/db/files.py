"""The files of a SQLite mirror: which they are, how large, and whether they are still those that were opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakSet

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ... import forks
from ...errors import ConfigurationError, MirrorError
from ...http.secrets import masked

_SIGNATURE = b"SQLite format 3\0"
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
        self.identity = identity_of(path)

    @property
    def is_there(self) -> bool:
        """Whether the name still is that of this file."""
        return identity_of(self.path) == self.identity

    def check(self) -> None:
        """Raise `MirrorError` where another file, or none, has the name by now."""
        if self.is_there:
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


_opened: WeakSet[OpenedFile] = WeakSet()
_opening = forks.Lock()


def open_file(path: Path) -> OpenedFile:
    """The file of a mirror, made if there is none, readable by its owner only; `ConfigurationError` if it is no mirror.

    One that this process has open is not looked into again: the end of any reading takes away the locks that SQLite
    holds on the file in this process, and another process would take its log for left over.
    """
    with _opening:
        if identity_of(path) not in {file.identity for file in _opened}:
            _check_file(path)
        file = OpenedFile(path)
        _opened.add(file)
        return file


def identity_of(path: Path) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_SIGNATURE))
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigurationError(
                f"The mirror {path} is a link to a file that does not exist: name that file, or delete the link."
            ) from None
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            pass  # another process was faster
        except OSError as error:
            raise ConfigurationError(f"The mirror {masked(str(path))} cannot be created: {error.strerror}.") from None
        return
    except OSError as error:
        raise ConfigurationError(f"The mirror {masked(str(path))} cannot be opened: {error.strerror}.") from None
    if head and head != _SIGNATURE:
        raise ConfigurationError(
            f"{masked(str(path))} is not a mirror: it is no SQLite database. Choose another file name."
        )
