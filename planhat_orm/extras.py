"""Packages of an extra: loaded where they are used, and named with how to get them where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import ConfigurationError


def load(name: str, *, extra: str, need: str) -> Any:
    """A module, or `ConfigurationError`: `need` begins the sentence, as in "Data frames need"."""
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ConfigurationError(f'{need} {package}: pip install "planhat_orm[{extra}]".') from None
