"""Automations, webhooks, syncs, reports and browsing: no secret anywhere, no customer's data in logs, events and reprs."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from planhat_orm import Company, Enduser, Planhat, PlanhatError
from planhat_orm.cli.run import run
from planhat_orm.client.planhat import EVENTS
from planhat_orm.emulator import Emulator
from planhat_orm.http.clock import Clock
from planhat_orm.http.retry import Retry
from planhat_orm.webhooks import Receiver, template
from tests.scale import sized
from tests.webhooks.conftest import Served, post, serve

from . import table
from .server import HostileServer
from .test_canary import CANARIES, CASES, EMAIL, ID, KEY, NAME, SECRETS, first, listen
from .test_secrets import TENANT, TOKEN, forms, logged, shown

__all__ = ["logged", "serve"]

ADDRESS = "0b5f7c9e/1111+4222-8333-944455566677"
PATH = quote(ADDRESS, safe="")
HOOK = "geheim/hook+5d41402abc4b2a76"
ALL_SECRETS = [*SECRETS, *(form.lower() for secret in (ADDRESS, HOOK) for form in forms(secret))]


def assert_clean(left: dict[str, str | bytes], *, with_data: tuple[str, ...] = ()) -> None:
    """No secret in any carrier, and no customer's data but in those that are made of it."""
    for where, data in left.items():
        assert (secret := first(ALL_SECRETS, data)) is None, (where, secret)
        if where not in with_data:
            assert (canary := first(CANARIES, data)) is None, (where, canary, data[:3000])


@pytest.mark.parametrize("group", sorted({case.group for case in CASES}))
def test_automations(logged: list[str], group: str) -> None:
    for case in [case for case in CASES if case.group == group][:: sized(7, 1)]:
        logged.clear()
        heard: list[Any] = []
        retry = Retry(attempts=2, floor=0.01, ceiling=0.02, deadline=30)
        with (
            HostileServer(case.answer) as server,
            Planhat(TOKEN, TENANT, api_url=server.url, retry=retry, clock=Clock(50), max_answer=table.LIMIT) as planhat,
        ):
            listen(planhat, heard)
            automation = planhat.automation(f"{server.url}/hook/{PATH}")
            left: dict[str, str | bytes] = {}
            for send in (automation.send, automation.asend):
                try:
                    sending = send({"email": EMAIL, "name": NAME, "custom": {"Key": KEY}})
                    if sending is not None:
                        asyncio.run(sending)
                except PlanhatError as error:
                    left |= {"frames": shown(error), "pickle": pickle.dumps(error), "error": str(error)}
                    left["request"] = repr([getattr(error, name, None) for name in ("request", "response")])
            left |= {"log": "\n".join(logged), "events": repr(heard), "objects": repr([automation, planhat])}
            assert_clean(left, with_data=("frames", "pickle", "error"))
        assert server.asked and all(asked.target.endswith(PATH) for asked in server.asked)


@pytest.fixture
def canary_tenant(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(3, api_token=TOKEN, tenant_token=TENANT, endusers=4, conversations=2, tasks=1) as emulator:
        company = emulator.store.insert("company", {"_id": ID, "name": NAME, "externalId": KEY, "phase": NAME})
        emulator.store.insert("enduser", {"email": EMAIL, "name": NAME, "companyId": company["_id"]})
        yield emulator


def test_a_receiver(canary_tenant: Emulator, logged: list[str], serve: Callable[..., Served], tmp_path: Path) -> None:
    heard: list[Any] = []
    with Planhat(TOKEN, TENANT, api_url=canary_tenant.url, calls_per_min=1e6, mirror=tmp_path / "p.db") as planhat:
        planhat.sync(Company)
        listen(planhat, heard)
        hooks = Receiver(planhat, secret=HOOK, quiet=0.0, max_bytes=20_000)

        @hooks.on(Company)
        def changed(company: Company, change: object) -> None:
            raise LookupError(f"{company.name} is not known")

        served = serve(hooks, at_end=hooks.drain)
        body = template(Company).replace("<<object._id>>", ID).replace("}", f', "note": "{NAME} {EMAIL}"}}', 1)
        canary_tenant.store.update("company", ID, {"phase": "Moved"})
        answers = [post(served.url, body, HOOK), post(served.url, body, "wrong"), post(served.url, f"{NAME}{{", HOOK)]
        answers += [post(served.url, f'{{"id": "{KEY}", "model": "{NAME}"}}', HOOK)]
        answers += [post(served.url, f"[{NAME!r}]" + " " * 20_000, HOOK)]
        assert answers[:3] == [202, 401, 202] and answers[-1] == 413
        served.stop()
        left: dict[str, str | bytes] = {"log": "\n".join(logged), "events": repr(heard)}
        left |= {
            "objects": repr([hooks, hooks.counts, planhat.mirror.inbox]),
            "given up": repr(planhat.mirror.inbox.parked()),
        }
        assert_clean(left)
        assert "LookupError" in "\n".join(logged)


def test_a_sync_and_a_push(canary_tenant: Emulator, logged: list[str], tmp_path: Path) -> None:
    heard: dict[str, list[Any]] = {event: [] for event in EVENTS}

    def listen_to_each(planhat: Any) -> None:
        for event in EVENTS:
            planhat.on(event, heard[event].append)

    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    try:
        retry = Retry(attempts=2, floor=0.01, ceiling=0.02, deadline=30)
        with Planhat(
            TOKEN, TENANT, api_url=canary_tenant.url, calls_per_min=1e6, mirror=tmp_path / "p.db", retry=retry
        ) as planhat:
            listen_to_each(planhat)
            canary_tenant.faults.add("status", status=500, times=1)
            canary_tenant.faults.add("reset_before", times=1)
            report = planhat.sync(Company, Enduser)
            with planhat.offline():
                company = Company.objects.get(external_id=KEY)
                company.phase = f"{NAME} 2"
                company.save()
                entries = repr([planhat.outbox, *planhat.mirror.outbox])
            canary_tenant.refuse("company", lambda row: f"{NAME} is no phase")
            result = planhat.push()
            assert heard["failed"] and heard["sync"] and heard["progress"]
            # What becomes of a record is told with the record, whose repr has its name.
            told = {event: repr(found) for event, found in heard.items() if event not in ("saved", "failed")}
            left: dict[str, str | bytes] = {"log": "\n".join(logged), **told, "report": f"{report!r} {report}"}
            left |= {"objects": repr([planhat, planhat.settings, planhat.mirror, planhat.mirror.status()])}
            left |= {"entries": entries, "rows": repr([heard["saved"], heard["failed"], result])}
            assert_clean(left, with_data=("rows",))
            assert first([KEY.encode(), EMAIL.encode()], left["rows"]) is None
    finally:
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_reports_and_browsing(
    canary_tenant: Emulator, logged: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], serve: Callable[..., Served],
) -> None:  # fmt: skip
    from planhat_orm.cli.browse.command import application

    monkeypatch.chdir(tmp_path)
    settings = {"API_URL": canary_tenant.url, "API_TOKEN": TOKEN, "TENANT_TOKEN": TENANT, "MIRROR": "p.db"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PLANHAT_{name}", value)
    assert run(["sync"]) == 0 and run(["report", "--out", "r.html"]) == 0, capsys.readouterr()
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "Customers" in page and first(ALL_SECRETS, page) is None
    served = serve(application("p.db"), "off")
    pages = ["/", "/p", "/p/company", "/p/company.json", "/-/settings.json", "/-/metadata.json", "/-/plugins.json"]
    pages += [
        "/-/databases.json",
        "/-/versions.json",
        "/-/threads.json",
        "/-/actor.json",
        "/-/nowhere",
        "/p?sql=nothing",
    ]
    with httpx.Client(base_url=served.url, timeout=60) as browser:
        seen = {path: browser.get(path).text for path in pages}
    served.stop()
    assert NAME in re.sub(r"\\u00f6", "ö", seen["/p/company.json"])
    environment = [value for name, value in os.environ.items() if name.endswith("TOKEN") and len(value) > 8]
    for path, text in seen.items():
        assert first([*ALL_SECRETS, *(value.encode().lower() for value in environment)], text) is None, path
    assert_clean({"log": "\n".join(logged), "said": capsys.readouterr().err})
