"""`planhat webhook` serves beside an emulator that posts, prints bodies, and says what waits."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from planhat_orm import Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.mirror.inbox import MOST_TRIES, Event
from planhat_orm.webhooks import template

from .conftest import COMMAND, TENANT, TOKEN, Run, clean


def test_the_body_to_paste_names_the_record(run: Run) -> None:
    assert json.loads(run("webhook", "template", "company").out) == {
        "model": "Company", "event": "changed", "id": "<<object._id>>"
    }  # fmt: skip
    assert json.loads(run("webhook", "template", "License", "--deleted").out)["event"] == "deleted"
    assert json.loads(run("webhook", "template", "License", "--whole").out)["object"]["product"] == "<<object.product>>"
    assert "Did you mean" in run("webhook", "template", "Compny").err


def test_without_a_secret_or_a_mirror_nothing_is_served(connected: Run) -> None:
    assert "PLANHAT_HOOK_SECRET" in connected("webhook", "serve").err
    assert 'There is no mirror planhat.db: "planhat sync" makes one' in connected("webhook", "status").err


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", "is taken"), ("no.such.host.invalid", "no address")])
def test_an_address_that_cannot_be_listened_at_is_one_line(
    synced: Run, monkeypatch: pytest.MonkeyPatch, host: str, told: str
) -> None:
    monkeypatch.setenv("PLANHAT_HOOK_SECRET", "secret")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        shown = synced("webhook", "serve", "--host", host, "--port", str(taken.getsockname()[1]))
    assert shown.code == 1 and told in shown.err and len(shown.err.splitlines()) == 1


def test_an_edit_reaches_the_mirror_of_the_service(synced: Run, tenant: Emulator, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    settings = {
        "PLANHAT_API_TOKEN": TOKEN, "PLANHAT_API_URL": tenant.url, "PLANHAT_HOOK_SECRET": "old-secret, new-secret"
    }  # fmt: skip
    with subprocess.Popen(
        [*COMMAND, "webhook", "serve", "--port", port],
        cwd=tmp_path, env={**clean(os.environ), **settings}, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stderr is not None
        assert "Webhooks are taken at" in running.stderr.readline()
        for _ in range(200):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", int(port))):
                    break
            time.sleep(0.05)
        tenant.add_webhook(f"http://127.0.0.1:{port}/", "company", template("Company"), secret="new-secret")
        id = tenant.store.all("company")[0]["_id"]
        tenant.store.update("company", id, {"description": "served"})
        tenant.webhooks.wait()
        with Planhat(TOKEN, TENANT, api_url=tenant.url, mirror=str(tmp_path / "planhat.db")) as planhat:
            for _ in range(400):
                [[text]] = planhat.run(_descriptions(planhat, id))
                if text == "served":
                    break
                time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=20)
    assert text == "served"
    assert "1 webhooks, 1 records read again with 1 requests." in err
    assert "secret" not in err


def _descriptions(planhat: Planhat, id: str):  # type: ignore[no-untyped-def]
    from planhat_orm.webhooks.pulling import rows_of

    rows = yield from rows_of(planhat, "company", [id])
    return [[row.get("description")] for row in rows.values()]


def test_what_was_given_up_is_named_and_tried_again(synced: Run, tmp_path: Path) -> None:
    with Planhat(TOKEN, TENANT, mirror=str(tmp_path / "planhat.db")) as planhat:
        inbox = planhat.mirror.inbox
        inbox.add([Event("company", "5f" * 12)])
        for _ in range(MOST_TRIES):
            [waiting] = inbox.due(1, ["company"])
            inbox.postpone([waiting], "InvalidRequest", counted=True)
            with inbox._writing() as connection:
                connection.exec_driver_sql("UPDATE mirror_inbox SET not_before = 0")
    shown = synced("webhook", "status")
    assert shown.rows == [["company", "5f" * 12, "InvalidRequest"]]
    assert "0 records wait, 1 are given up." in shown.out
    assert "1 are tried again" in synced("webhook", "status", "--retry").err
