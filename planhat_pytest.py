"""A pytest plugin, there as soon as the package is installed: an emulated Planhat, and a client of it.

    def test_rescue(planhat_emulator, planhat):
        rescue()                                   # your code, which uses Company.objects
        assert planhat_emulator.log.count("PUT") == 1

It is no part of the package, since Python imports a package whole before any module of it: what the fixtures need is
imported when one is used, so pytest starts as fast without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from planhat_orm import Planhat
    from planhat_orm.emulator import Emulator

_COMPANIES = 20
_NO_QUOTA = 1_000_000


@pytest.fixture
def planhat_emulator_options() -> Mapping[str, Any]:
    """What the emulator of `planhat_emulator` is made with; override it for another size, seed or quota.

    >>> @pytest.fixture
    ... def planhat_emulator_options():
    ...     return {"companies": 100, "licenses": 250}
    """
    return {}


@pytest.fixture
def planhat_emulator(
    planhat_emulator_options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Emulator]:
    """A running emulator of Planhat with 20 companies and what belongs to them, and no quota.

    While the test runs, `PLANHAT_API_URL` and its fellows lead to it, so that neither a `Planhat()` of the code under
    test nor a command it starts reaches the account of whoever runs the tests.
    """
    try:
        from planhat_orm.emulator import Emulator
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        pytest.fail('The fixture planhat_emulator needs: pip install "planhat_orm[emulator]"', pytrace=False)
    with Emulator(**{"companies": _COMPANIES, **planhat_emulator_options}) as emulator:
        monkeypatch.setenv("PLANHAT_API_URL", emulator.url)
        monkeypatch.setenv("PLANHAT_ANALYTICS_URL", emulator.url)
        monkeypatch.setenv("PLANHAT_API_TOKEN", emulator.api_token)
        monkeypatch.setenv("PLANHAT_TENANT_TOKEN", emulator.tenant_token)
        monkeypatch.setenv("PLANHAT_CALLS_PER_MIN", str(_NO_QUOTA))
        monkeypatch.delenv("PLANHAT_MIRROR", raising=False)
        yield emulator


@pytest.fixture
def planhat(planhat_emulator: Emulator, tmp_path: Path) -> Iterator[Planhat]:
    """A client of `planhat_emulator`, with a mirror of its own: the default one of all threads and tasks.

    It is closed after the test, and the default client is the one of before.
    """
    from planhat_orm import Planhat
    from planhat_orm.scopes import clients

    emulator = planhat_emulator
    client = Planhat(
        emulator.api_token,
        emulator.tenant_token,
        api_url=emulator.url,
        analytics_url=emulator.url,
        mirror=tmp_path / "planhat.db",
        calls_per_min=_NO_QUOTA,
    )
    before = clients.default()
    client.make_default()
    try:
        yield client
    finally:
        clients.set_default(before)
        client.close()
