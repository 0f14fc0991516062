"""Files that are there whole or not at all. What was begun is taken away, also when a signal ends the program."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ConfigurationError

_COMPANIONS = ("", "-journal", "-wal", "-shm")
"""A file, and what SQLite puts beside it."""


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A path to write to; what is written there takes the place of `file` when all went well.

    It is its owner's only. A file that is replaced keeps its rights; a link is replaced itself, not what it leads to.
    """
    beside = _beside(file)
    try:
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield beside
        if os.path.lexists(file) and stat.S_ISREG(rights := file.lstat().st_mode):
            beside.chmod(stat.S_IMODE(rights))
        beside.replace(file)
    except OSError as error:
        raise cannot_write(file, error) from None
    finally:
        for suffix in _COMPANIONS:
            beside.with_name(beside.name + suffix).unlink(missing_ok=True)


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


def _beside(file: Path) -> Path:
    return file.with_name(f".{file.name}.{secrets.token_hex(4)}")
