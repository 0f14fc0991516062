"""Connecting to PostgreSQL so that no frame of an error on the way holds the password."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.engine import URL


class Connector:
    """What makes connections for an engine, whose `dialect` it is given."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.dialect: Dialect | None = None

    def __call__(self) -> Any:
        """A new connection of the database's driver."""
        failure: BaseException
        try:
            return self._connect()
        except BaseException as error:
            # The frames of the driver, and of what it tried before, have the password among their variables.
            failure = error.with_traceback(None)
            failure.__cause__ = failure.__context__ = None
        raise failure

    def _connect(self) -> Any:
        assert self.dialect is not None
        arguments, options = self.dialect.create_connect_args(self._url)
        return self.dialect.connect(*arguments, **options)
