"""With `--json` a command's standard output is one JSON value, whatever it has to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from planhat_orm import Company, Planhat
from planhat_orm.cli.app import app
from planhat_orm.emulator import Emulator

from .conftest import TOKEN, Result, Run
from .driven import Prepared, leaves, name_of

WITHOUT = {
    "browse": "it serves until it is stopped",
    "demo": "it tells a story",
    "emulator": "it serves until it is stopped",
    "init": "it asks",
    "mirror": "it is a group",
    "metrics": "it is a group",
    "webhook": "it is a group",
    "webhook serve": "it serves until it is stopped",
    "webhook template": "it prints JSON",
}


def parsed(shown: Result, code: int = 0) -> Any:
    assert shown.code == code, shown.err
    return json.loads(shown.out)


def options(command: Any, path: tuple[str, ...] = ()) -> dict[str, set[str]]:
    found = {} if not path else {" ".join(path): {word for param in command.params for word in param.opts}}
    for name, inner in getattr(command, "commands", {}).items():
        found |= options(inner, (*path, name))
    return found


def test_every_command_that_answers_takes_json() -> None:
    every = options(get_command(app))
    assert {name for name, words in every.items() if "--json" not in words} == set(WITHOUT)


ANSWERING = [
        ("plan",), ("sync", "Company"), ("sync", "--plan"), ("status",), ("doctor",), ("search", "zzzz"), ("history",),
        ("query", "mrr>0"), ("query", "--count"), ("query", "--by", "phase", "--count"), ("query", "--explain"),
        ("query", "--by", "phase", "--explain"), ("show", "Company", "extid-acct-1001"), ("export", "out"),
        ("report", "--out", "page.html"), ("backup", "copy.db"), ("outbox",), ("push",), ("webhook", "status"),
        ("sql", "select name from company"), ("models", "Company"), ("models", "--out", "models.py"),
        ("metrics", "get"), ("mirror", "adopt", "--force"), ("outbox", "retry"), ("outbox", "discard", "--all"),
        ("forget", "nobody@customer.example"), ("metrics", "push", "values.csv"), ("undo", "--since", "1h", "--plan"),
        ("export", "new", "--since", "last"),
]  # fmt: skip


def test_every_command_that_answers_is_asked_here() -> None:
    assert {name_of(words) for words in ANSWERING} == leaves() - set(WITHOUT)


@pytest.mark.parametrize("words", ANSWERING, ids=" ".join)
def test_standard_output_is_one_json_value(
    run: Run, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    for name, value in prepared.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(prepared.copy(tmp_path / "folder"))
    parsed(run(*words, "--json"))


def test_what_a_sync_did_and_will_do(connected: Run) -> None:
    plan = parsed(connected("plan", "Company", "--json"))
    assert plan["models"][0]["model"] == "Company" and plan["requests"] >= 1
    done = parsed(connected("sync", "Company", "--json"))
    assert done["models"][0]["model"] == "Company" and done["models"][0]["new"] == 30 and done["requests"] >= 1
    assert parsed(connected("status", "--json"))["models"][0]["records"] == 30


def test_a_plan_of_a_file_and_what_came_of_it(synced: Run, tenant: Emulator, tmp_path: Path) -> None:
    Path("crm.csv").write_text("external_id,phase\nacct-1001,Moved\nacct-1002,Moved\n", "utf-8")
    words = ("push", "crm.csv", "--model", "Company", "--key", "external_id", "--json")
    refused = parsed(synced(*words), code=1)
    assert [change["new"] for change in refused["plan"]["changes"]] == ["Moved", "Moved"] and refused["result"] is None
    sent = parsed(synced(*words, "--yes"))
    assert sent["result"]["ok"] and sent["result"]["statuses"] == {"updated": 2}
    assert parsed(synced(*words, "--yes"))["result"] is None


def test_changes_and_waiting_writes_with_their_values(synced: Run, tenant: Emulator) -> None:
    with Planhat(TOKEN, api_url=tenant.url, mirror="planhat.db") as client, client.offline():
        company = Company.objects.get(external_id="acct-1001")
        company.phase = "Written offline"
        company.save()
    (waiting,) = parsed(synced("outbox", "--json"))
    assert waiting["record"] == company.id and waiting["fields"] == ["phase"]
    assert parsed(synced("push", "--json"))["statuses"] == {"updated": 1}
    (change,) = [change for change in parsed(synced("history", "Company", "--json")) if change["id"] == company.id]
    assert change["name"] == company.name and change["origin"] == "mine"
    assert change["fields"]["phase"]["new"] == "Written offline"


def test_a_failed_check_of_the_doctor_is_told_in_json_too(run: Run) -> None:
    found = parsed(run("doctor", "--json"), code=1)
    assert not found["ok"] and any(check["wrong"] for check in found["checks"])
