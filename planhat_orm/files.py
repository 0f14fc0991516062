"""Files that are there whole or not at all. What was begun is taken away, also when a signal ends the program.

A file that is there already may be anybody's. It is replaced only where the caller is told to, or knows it as its own.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ConfigurationError

_COMPANIONS = ("", "-journal", "-wal", "-shm")
"""A file, and what SQLite puts beside it."""
OVERWRITE = "overwrite=True (on the command line: --force) replaces it, another name keeps it"
"""What to do about a file that is there, where it may be replaced."""


@contextmanager
def whole(file: Path, *, replace: bool, private: bool = False) -> Iterator[Path]:
    """A path to write to; what is written there takes the place of `file` when all went well.

    It is its owner's only. A file of theirs that is replaced keeps its rights, unless the new one is to be `private`;
    a link is replaced itself, not what it leads to.
    """
    beside = _beside(file)
    try:
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield beside
        if not private and (rights := _rights(file, beside)) is not None:
            beside.chmod(rights)
        put(beside, file, replace=replace)
    except OSError as error:
        raise cannot_write(file, error) from None
    finally:
        try:
            _remove(beside)
        except BaseException:
            _remove(beside)
            raise


@contextmanager
def folder_beside(file: Path) -> Iterator[Path]:
    """A folder for what is on its way to `file`, on the same disk, and gone at the end."""
    folder = _beside(file)
    try:
        folder.mkdir(0o700)
        yield folder
    except OSError as error:
        raise cannot_write(file, error) from None
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def write_text(file: Path, text: str, *, replace: bool, private: bool = False) -> None:
    """Write a text file, in UTF-8."""
    with whole(file, replace=replace, private=private) as beside:
        beside.write_text(text, "utf-8")


def flush(path: Path) -> None:
    """Have what was written into a file, or the names in a folder, survive a power cut."""
    if path.is_dir() and sys.platform == "win32":
        return  # where folders cannot be opened
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def put(made: Path, file: Path, *, replace: bool) -> None:
    """Put a file that was made in its place."""
    if not replace:
        check_free(file)
    made.replace(file)


def check_free(file: Path, advice: str = OVERWRITE) -> None:
    """Raise where there is something of this name, a link that leads nowhere too."""
    if os.path.lexists(file):
        raise ConfigurationError(f"{file} exists: {advice}.")


def check_free_database(file: Path, advice: str) -> None:
    """Raise where there is something of this name, or what SQLite would take for a part of a file of this name."""
    for part in _parts(file):
        check_free(part, advice)


@contextmanager
def folder(path: Path) -> Iterator[None]:
    """A folder to write into; those that were not there are gone again where nothing came of it."""
    new = [part for part in (path, *path.parents) if not part.exists()]
    try:
        make_folder(path)
        yield
    except BaseException:
        for part in new:
            with suppress(OSError):
                part.rmdir()
        raise


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it is in, where they are not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None


def cannot_write(file: Path, error: OSError) -> ConfigurationError:
    """The error of a file that cannot be written."""
    return ConfigurationError(
        f"{file} cannot be written: {error.strerror or type(error).__name__}. What was begun of it is taken away."
    )


def _rights(file: Path, made: Path) -> int | None:
    """The rights of a file, where there is one of the same owner."""
    if not os.path.lexists(file):
        return None
    there = file.lstat()
    return stat.S_IMODE(there.st_mode) if stat.S_ISREG(there.st_mode) and there.st_uid == made.stat().st_uid else None


def _parts(file: Path) -> list[Path]:
    return [file.with_name(file.name + suffix) for suffix in _COMPANIONS]


def _remove(file: Path) -> None:
    for part in _parts(file):
        part.unlink(missing_ok=True)


def _beside(file: Path) -> Path:
    return file.with_name(f".{file.name}.{secrets.token_hex(4)}")
