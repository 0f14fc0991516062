"""`planhat history`, `models`, `push` and `outbox`, against an emulator."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator

from .conftest import Result, Run


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(companies=8, endusers=8, licenses=8, conversations=4, tasks=4) as running:
        yield running


@pytest.fixture
def planhat(emulator: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against the emulator; `input` is what its standard input holds."""
    monkeypatch.setenv("PLANHAT_API_URL", emulator.url)
    monkeypatch.setenv("PLANHAT_API_TOKEN", "test-token")

    def command(*arguments: str, input: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO(input))
        return run(*arguments)

    return command


def test_models_writes_a_module_that_imports_and_names_the_custom_fields(
    planhat: Run, emulator: Emulator, tmp_path: Path
) -> None:
    assert planhat("models", "Company", "--out", "account.py").code == 0
    text = (tmp_path / "account.py").read_text("utf-8")
    assert 'tier = Custom("Tier", str, choices=("A", "B", "C"))' in text
    assert "class Enduser" not in text
    compile(text, "account.py", "exec")


def test_push_compares_a_file_asks_and_sends_only_what_differs(
    planhat: Run, emulator: Emulator, tmp_path: Path
) -> None:
    rows = emulator.store.all("company")
    lines = ["Account,Phase,Tier"] + [f"{row['externalId']},{row['phase']},A" for row in rows]
    lines[1] = f"{rows[0]['externalId']},Brand new phase,A"
    (tmp_path / "crm.csv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "map.toml").write_text('Account = "external_id"\nPhase = "phase"\n', "utf-8")
    options = ("push", "crm.csv", "--model", "Company", "--key", "external_id", "--map", "map.toml")

    shown = planhat(*options, "--plan")
    assert shown.code == 0, shown.err
    assert "Brand new phase" in shown.out and "update 1, unchanged 7" in shown.out
    assert planhat(*options, input="n\n").code == 1
    assert emulator.log.count("PUT") == 0

    sent = planhat(*options, "--yes")
    assert "updated 1, in 1 request" in sent.out, sent.err
    assert emulator.store.get("company", rows[0]["_id"])["phase"] == "Brand new phase"  # type: ignore[index]
    again = planhat(*options, "--yes")
    assert "unchanged 8" in again.out
    assert emulator.log.count("PUT") == 1


def test_a_program_is_told_what_a_push_sent(planhat: Run, emulator: Emulator, tmp_path: Path) -> None:
    (row, *_) = emulator.store.all("company")
    (tmp_path / "crm.csv").write_text(f"external_id,phase\n{row['externalId']},Brand new phase\n", "utf-8")
    options = ("push", "crm.csv", "--model", "Company", "--key", "external_id", "--json")
    planned = json.loads(planhat(*options).out)
    sent = json.loads(planhat(*options, "--yes").out)
    assert planned["plan"] == sent["plan"] and sent["result"]["statuses"] == {"updated": 1}
    assert [(change["field"], change["new"]) for change in sent["plan"]["changes"]] == [("phase", "Brand new phase")]


def test_what_a_push_lacks_is_a_wrong_command_line(planhat: Run, tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text("external_id,phase\na,b\n", "utf-8")
    assert planhat("sync", "Company").code == 0
    for options, text in (
        (("crm.csv", "--key", "external_id"), "--model"),
        (("--on-conflict", "mine"), "--on-conflict"),
    ):
        shown = planhat("push", *options)
        assert shown.code == 2 and text in shown.err


def test_a_plan_shows_every_change_and_is_sent_only_on_a_yes(planhat: Run, emulator: Emulator, tmp_path: Path) -> None:
    names = [emulator.store.insert("company", {"name": f"C{n}", "sourceId": f"s-{n}"})["sourceId"] for n in range(30)]
    lines = ["Account,Phase", *(f"{name},Moved" for name in names), "s-new,Moved"]
    (tmp_path / "accounts.csv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "accounts.toml").write_text('Account = "source_id"\nPhase = "phase"\n', "utf-8")
    options = ("push", "accounts.csv", "--model", "Company", "--key", "source_id", "--map", "accounts.toml", "--plan")
    refused = planhat(*options)
    assert refused.code == 2 and "needs name" in refused.err
    (tmp_path / "accounts.csv").write_text("\n".join(lines[:-1]), "utf-8")
    for answer in ("", "n\n"):
        shown = planhat(*options, input=answer)
        assert shown.code == 0, shown.err
        assert shown.out.count("Moved") == 30 and "Send this?" in shown.out
        assert "Nothing was sent." in shown.err and emulator.log.count("PUT") == 0
    emulator.refuse("company", lambda row: "no" if row.get("_id") == company("s-7")["_id"] else None)

    def company(key: str) -> dict[str, str]:
        return next(row for row in emulator.store.all("company") if row.get("sourceId") == key)

    sent = planhat(*options, input="y\n")
    assert sent.code == 1 and "updated 29, failed 1, in 1 request" in sent.out
    assert "s-7" in sent.out and "no" in sent.out
    emulator.allow()
    assert "updated 1, in 1 request" in planhat(*options, "--yes").out
    assert "unchanged 30" in planhat(*options).out


def test_what_waits_is_listed_pushed_and_then_in_the_history(planhat: Run, emulator: Emulator, tmp_path: Path) -> None:
    assert planhat("sync", "Company").code == 0
    client = Planhat(api_url=emulator.url, api_token="test-token", mirror=tmp_path / "planhat.db")
    with client.offline():
        company = Company.objects.first()
        assert company is not None
        company.phase = "Written offline"
        company.save()
    client.user_activity.record({"email": "a@a.example", "action": "login"})
    client.close()

    assert "1 UserActivity" in planhat("status").out
    asked = emulator.calls
    planned = planhat("push", "--plan")
    assert company.id in planned.out and "a@a.example" in planned.out and emulator.calls == asked
    assert "no tenant" in planhat("push").err
    assert "1 discarded" in planhat("outbox", "discard", "2").out

    listed = planhat("outbox")
    assert company.id in listed.out and "pending" in listed.out
    pushed = planhat("push")
    assert "updated 1" in pushed.out, pushed.err
    assert "empty" in planhat("outbox").out
    seen = planhat("history", "Company", company.id, "--field", "phase")
    assert "Written offline" in seen.out and "mine" in seen.out
    for words in (("Company",), ()):
        misspelt = planhat("history", *words, "--field", "phse", "--json")
        assert misspelt.code == 0 and misspelt.out == "[]\n"
        assert "No field is called 'phse'. Did you mean 'phase'?" in misspelt.err
    assert company.name is not None and f"Company {company.name.split()[0]}" in seen.out


def test_discarding_what_waits_sends_nothing(planhat: Run, emulator: Emulator, tmp_path: Path) -> None:
    assert planhat("sync", "Company").code == 0
    client = Planhat(api_url=emulator.url, api_token="test-token", mirror=tmp_path / "planhat.db")
    with client.offline():
        company = Company.objects.first()
        assert company is not None
        company.phase = "Regretted"
        company.save()
    client.close()
    assert planhat("outbox", "discard").code == 2
    assert "1 discarded" in planhat("outbox", "discard", "--all").out
    assert "nothing to send" in planhat("push").out
    assert emulator.log.count("PUT") == 0


def test_a_misspelt_column_conversion_or_policy_names_the_nearest_one(
    planhat: Run, emulator: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "crm.csv").write_text("Account,Phase\nx,y\n", "utf-8")
    (tmp_path / "map.toml").write_text('Acount = "external_id"\n', "utf-8")
    wrong = planhat("push", "crm.csv", "--model", "Company", "--key", "external_id",
                    "--map", "map.toml")  # fmt: skip
    assert wrong.code == 2 and "Did you mean 'Account'?" in wrong.err
    (tmp_path / "map.toml").write_text('Account = {field = "external_id", convert = "uper"}\n', "utf-8")
    wrong = planhat("push", "crm.csv", "--model", "Company", "--map", "map.toml")
    assert wrong.code == 2 and "Did you mean 'upper'?" in wrong.err
    assert len(emulator.log) == 0
