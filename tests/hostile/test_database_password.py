"""The password in a mirror's URL shows nowhere: not in reprs, nor in errors, also where the URL is mistyped."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from planhat_orm import Planhat, PlanhatError

PASSWORD = "s3cret-5d41402a"
ADDRESSES = (
    f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:1/db",
    f"postgres://me:{PASSWORD}@127.0.0.1:1/db",
    f"postgresql:/me:{PASSWORD}@127.0.0.1:1/db",
    f"postgresql//me:{PASSWORD}@127.0.0.1/db",
    f"me:{PASSWORD}@127.0.0.1/db",
    f"postgresql://me:{PASSWORD}@host@127.0.0.1:1/db",
    f"postgresql://127.0.0.1:1/db?user=me&password={PASSWORD}",
    f"postgresql://me:{PASSWORD}@127.0.0.1:port/db",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_repr_and_no_error_shows_the_password(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planhat = Planhat("token", mirror=address, account="acme")
    shown = [repr(planhat), repr(planhat.settings), str(planhat.settings), f"{planhat.settings.mirror!r}"]
    try:
        shown += [repr(planhat.mirror), str(planhat.mirror.status())]
    except PlanhatError as error:
        trace = traceback.TracebackException.from_exception(error, capture_locals=False)
        shown += [str(error), repr(error), repr(error.args), "".join(trace.format())]
    else:
        raise AssertionError("there is no such database")
    for text in shown:
        assert PASSWORD not in text, text
