"""No client of another test, whose account's custom fields would be known here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..registry import no_clients


@pytest.fixture(autouse=True)
def no_client_of_another_test() -> Iterator[None]:
    with no_clients():
        yield
