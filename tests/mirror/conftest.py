"""What the mirror's tests share: an emulated tenant, a client without the client layer, and fresh mirrors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from planhat_orm.emulator import Emulator
from planhat_orm.emulator.api import Incoming
from planhat_orm.emulator.log import Call
from planhat_orm.http.drivers import Driver
from planhat_orm.http.effects import Attempt, Response
from planhat_orm.http.quota import Quota
from planhat_orm.http.secrets import Secrets
from planhat_orm.http.session import Session
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.wire.aliases import apply_aliases

OPEN: list[Runner] = []


@pytest.fixture(autouse=True)
def close_connections() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().driver.close()


class Runner:
    """Runs flows against an emulator, or against nothing, and keeps what they emit."""

    def __init__(self, url: str = "http://127.0.0.1:9") -> None:
        self.session = Session(url, url, Secrets("test-token", "test-tenant"), quota=Quota(1e9))
        self.driver = Driver(self.session)
        self.emitted: list[Any] = []
        OPEN.append(self)

    def __call__(self, flow: Any) -> Any:
        steps = self.driver.iterate(flow)
        self.emitted = []
        while True:
            try:
                self.emitted.append(next(steps))
            except StopIteration as stop:
                return stop.value

    def rows(self, flow: Any) -> list[dict[str, Any]]:
        self(flow)
        return [row for page in self.emitted for row in page]


class _Near(Driver):
    """A driver whose requests the emulator answers on the spot, without a wire between them: for the long proofs."""

    def __init__(self, session: Session, emulator: Emulator) -> None:
        super().__init__(session)
        self.emulator = emulator
        self.api = emulator.api

    def _send(self, attempt: Attempt) -> Response:
        request = attempt.request
        query = dict(request.params)
        answer = self.api.answer(Incoming(request.method, request.path, query, "Bearer test-token", b""))
        now = self.emulator.store.moments
        self.session.quota.release(None)
        self.emulator.log.add(
            Call(request.method, request.path, query, answer.status, rows=answer.rows, bytes=len(answer.body))
        )
        return Response(answer.status, {"date": format_datetime(now.now(), usegmt=True)}, answer.body)


class Near(Runner):
    """A runner next to an emulator, which need not be started."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__()
        self.driver = _Near(self.session, emulator)


@pytest.fixture
def run() -> Runner:
    """A driver that reaches no server: what runs on it makes no request."""
    return Runner()


@pytest.fixture
def make_mirror(tmp_path: Path) -> Iterator[Callable[..., Mirror]]:
    made: list[Mirror] = []

    def make(where: str | Path | None = None, **options: Any) -> Mirror:
        made.append(Mirror(where or tmp_path / f"mirror{len(made)}.db", **options))
        return made[-1]

    yield make
    for mirror in made:
        mirror.close()


@pytest.fixture
def mirror(make_mirror: Callable[..., Mirror]) -> Mirror:
    return make_mirror()


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, make_mirror: Callable[..., Mirror]) -> Mirror:
    """A mirror in each of the databases that can hold one."""
    return make_mirror(None if request.param == "sqlite" else request.getfixturevalue("postgres")())


@pytest.fixture
def make_emulator() -> Iterator[Callable[..., Emulator]]:
    started: list[Emulator] = []

    def make(**options: Any) -> Emulator:
        started.append(Emulator(**{"companies": 0, **options}).start())
        return started[-1]

    yield make
    for emulator in started:
        emulator.stop()


def server_rows(emulator: Emulator, name: str) -> dict[str, dict[str, Any]]:
    """What the server holds, by id, as its lists would show it with every field selected."""
    return {row["_id"]: row for row in emulator.store.all(name)}


def mirror_rows(mirror: Mirror, name: str) -> dict[str, dict[str, Any]]:
    """What the mirror holds, hidden records too, without the embedded lists that only some answers have."""
    from planhat_orm.query.query import Query

    rows = Runner().rows(mirror.source.pages(Query(name, hidden=True)))
    assert len({row["_id"] for row in rows}) == len(rows)
    return {row["_id"]: {k: v for k, v in row.items() if k not in ("licenses", "sales")} for row in rows}


def assert_equal(mirror: Mirror, emulator: Emulator, *names: str) -> None:
    """Every record the server has, and no other, with every field that its lists can show.

    What a list does not show of itself may be known from a record that was read alone, and is what the server holds.
    """
    for name in names:
        thin = layout_for(name).resource.thin_list is not None
        theirs, ours = server_rows(emulator, name), mirror_rows(mirror, name)
        assert ours.keys() == theirs.keys(), name
        for id, stored in theirs.items():
            row = apply_aliases(layout_for(name).resource, stored)  # a ticket is read under both of its spellings
            # Lists show a user's roles as objects.
            can_show = row.keys() & {*layout_for(name).by_wire, *ours[id]} if thin else row.keys()
            shown = {key: row[key] for key in can_show - {"roles"}}
            assert {key: value for key, value in ours[id].items() if key != "roles"} == shown, (name, id)
