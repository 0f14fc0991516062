"""Under every fault, what is logged, told to listeners, shown of objects or pickled holds no secret and no customer's data."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planhat_orm import Company, Enduser, Planhat, PlanhatError
from planhat_orm.client.planhat import EVENTS
from planhat_orm.http.clock import Clock
from planhat_orm.http.retry import Retry
from tests.scale import sized

from . import table
from .server import HostileServer
from .test_secrets import TENANT, TOKEN, forms, logged, shown

__all__ = ["logged"]

PASSWORD = "geheim/pass+5d41402abc4b2a76"
SECRETS = [form.lower() for secret in (TOKEN, TENANT, PASSWORD) for form in forms(secret)]
EMAIL, NAME, KEY = "canary.ada@customer.example", "Canary Björk Holdings", "canary-key-77"
CANARIES = [form.lower() for text in (EMAIL, NAME, KEY) for form in forms(text)]
ID = "65f0c1a2912265b1f5000001"

CALLS: dict[str, Callable[[Planhat], Any]] = {
    "list": lambda p: [row for page in p.company.get_list(name=NAME) for row in page],
    "lean list": lambda p: p.company.get_lean_list(external_id=KEY),
    "get": lambda p: p.company.get_by_id(f"extid-{KEY}"),
    "create": lambda p: p.enduser.create({"companyId": ID, "email": EMAIL, "name": NAME}),
    "update": lambda p: p.company.update(f"extid-{KEY}", {"name": NAME}),
    "bulk upsert": lambda p: p.company.bulk_upsert([{"name": NAME, "externalId": KEY}]),
    "metrics": lambda p: p.metrics.bulk_insert_metrics([{"dimensionId": "m", "value": 1, "externalId": KEY}]),
    "a metric": lambda p: p.metrics.bulk_insert_metrics({"dimensionId": "m", "value": 1, "externalId": KEY}),
    "read metrics": lambda p: [row for page in p.metrics.get_dimension_data(1, 9, company_id=KEY) for row in page],
    "activity": lambda p: p.user_activity.create_activity({"email": EMAIL, "action": NAME}),
    "segment": lambda p: p.user_activity.segment({"type": "track", "userId": KEY, "traits": {"email": EMAIL}}),
    "save": lambda p: Company(name=NAME, external_id=KEY).save(using=p),
    "query": lambda p: list(Enduser.objects.using(p).using("api").filter(email=EMAIL)),
}
CASES = [case for case in table.cases() if case.group != table.SLOW]
GROUPS = sorted({case.group for case in CASES})
STEP = 6
"""In the short version a call meets each fifth case, and each case some of the calls."""


def first(texts: list[bytes], data: str | bytes) -> bytes | None:
    """The first of the texts that the data holds."""
    inside = (data.encode("utf-8", "replace") if isinstance(data, str) else data).lower()
    return next((text for text in texts if text in inside), None)


def listen(planhat: Any, heard: list[Any]) -> None:
    """Keep what listeners of every event are told."""
    for event in EVENTS:
        planhat.on(event, heard.append)


@pytest.fixture
def outcomes(logged: list[str]) -> Iterator[Callable[[table.Case, str], dict[str, str | bytes]]]:
    """What a case and a call leave behind, by where it is."""

    def leave(case: table.Case, call: str) -> dict[str, str | bytes]:
        logged.clear()
        heard: list[Any] = []
        retry = Retry(attempts=2, floor=0.01, ceiling=0.02, deadline=30)
        with (
            HostileServer(case.answer) as server,
            Planhat(TOKEN, TENANT, api_url=server.url, retry=retry, clock=Clock(50), max_answer=table.LIMIT,
                    mirror=f"postgresql://ada:{PASSWORD.replace('/', '%2F')}@127.0.0.1:1/x") as planhat,
        ):  # fmt: skip
            listen(planhat, heard)
            left: dict[str, str | bytes] = {}
            try:
                CALLS[call](planhat)
            except PlanhatError as error:
                left = {"frames": shown(error), "error": str(error), "repr": repr(error), "pickle": pickle.dumps(error)}
                sent = [getattr(error, name, None) for name in ("request", "response")]
                left |= {"request and response": repr(sent), "pickled request and response": pickle.dumps(sent)}
                assert str(pickle.loads(left["pickle"])) == str(error)  # type: ignore[arg-type]
            shown_objects = repr([planhat, planhat.settings, planhat.mirror, planhat.company])
            return {**left, "log": "\n".join(logged), "events": repr(heard), "objects": shown_objects}

    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    yield leave
    logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_left_where_others_look(
    outcomes: Callable[[table.Case, str], dict[str, str | bytes]], call: str, group: str
) -> None:
    first_case, step = sized(list(CALLS).index(call) % STEP, 0), sized(STEP, 1)
    for case in CASES[first_case::step]:
        if case.group == group:
            for where, data in outcomes(case, call).items():
                assert first(SECRETS, data) is None, (case.name, where)
                if where in ("log", "events", "objects", "request and response", "pickled request and response"):
                    assert (canary := first(CANARIES, data)) is None, (case.name, where, canary, data[:3000])
