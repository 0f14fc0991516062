"""`planhat history`, `models`, `push` and `outbox`, against an emulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator


@pytest.fixture
def emulator() -> object:
    with Emulator(companies=8, endusers=8, licenses=8, conversations=4, tasks=4) as running:
        yield running


def planhat(emulator: Emulator, folder: Path, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "PLANHAT_API_URL": emulator.url, "PLANHAT_API_TOKEN": "test-token",
        "PLANHAT_MIRROR": str(folder / "planhat.db"),
    }  # fmt: skip
    command = [sys.executable, "-m", "planhat_orm.cli", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, input=input, capture_output=True, text=True, timeout=60)


def test_models_writes_a_module_that_imports_and_names_the_custom_fields(emulator: Emulator, tmp_path: Path) -> None:
    assert planhat(emulator, tmp_path, "models", "Company", "--out", "account.py").returncode == 0
    text = (tmp_path / "account.py").read_text("utf-8")
    assert 'tier = Custom("Tier", str, choices=("A", "B", "C"))' in text
    assert "class Enduser" not in text
    compile(text, "account.py", "exec")


def test_push_compares_a_file_asks_and_sends_only_what_differs(emulator: Emulator, tmp_path: Path) -> None:
    rows = emulator.store.all("company")
    lines = ["Account,Phase,Tier"] + [f"{row['externalId']},{row['phase']},A" for row in rows]
    lines[1] = f"{rows[0]['externalId']},Brand new phase,A"
    (tmp_path / "crm.csv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "map.toml").write_text('Account = "external_id"\nPhase = "phase"\n', "utf-8")
    options = ("push", "crm.csv", "--model", "Company", "--key", "external_id", "--map", "map.toml")

    shown = planhat(emulator, tmp_path, *options, "--plan")
    assert shown.returncode == 0, shown.stderr
    assert "Brand new phase" in shown.stdout and "update 1, unchanged 7" in shown.stdout
    assert planhat(emulator, tmp_path, *options, input="n\n").returncode == 1
    assert emulator.log.count("PUT") == 0

    sent = planhat(emulator, tmp_path, *options, "--yes")
    assert "updated 1, in 1 request" in sent.stdout, sent.stderr
    assert emulator.store.get("company", rows[0]["_id"])["phase"] == "Brand new phase"  # type: ignore[index]
    again = planhat(emulator, tmp_path, *options, "--yes")
    assert "unchanged 8" in again.stdout
    assert emulator.log.count("PUT") == 1


def test_a_plan_shows_every_change_and_is_sent_only_on_a_yes(emulator: Emulator, tmp_path: Path) -> None:
    names = [emulator.store.insert("company", {"name": f"C{n}", "sourceId": f"s-{n}"})["sourceId"] for n in range(30)]
    lines = ["Account,Phase", *(f"{name},Moved" for name in names), "s-new,Moved"]
    (tmp_path / "accounts.csv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "accounts.toml").write_text('Account = "source_id"\nPhase = "phase"\n', "utf-8")
    options = ("push", "accounts.csv", "--model", "Company", "--key", "source_id", "--map", "accounts.toml", "--plan")
    refused = planhat(emulator, tmp_path, *options)
    assert refused.returncode == 2 and "needs name" in refused.stderr
    (tmp_path / "accounts.csv").write_text("\n".join(lines[:-1]), "utf-8")
    for answer in ("", "n\n"):
        shown = planhat(emulator, tmp_path, *options, input=answer)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.count("Moved") == 30 and "Send this?" in shown.stdout
        assert "Nothing was sent." in shown.stderr and emulator.log.count("PUT") == 0
    emulator.refuse("company", lambda row: "no" if row.get("_id") == company("s-7")["_id"] else None)

    def company(key: str) -> dict[str, str]:
        return next(row for row in emulator.store.all("company") if row.get("sourceId") == key)

    sent = planhat(emulator, tmp_path, *options, input="y\n")
    assert sent.returncode == 1 and "updated 29, failed 1, in 1 request" in sent.stdout
    assert "s-7" in sent.stdout and "no" in sent.stdout
    emulator.allow()
    assert "updated 1, in 1 request" in planhat(emulator, tmp_path, *options, "--yes").stdout
    assert "unchanged 30" in planhat(emulator, tmp_path, *options).stdout


def test_what_waits_is_listed_pushed_and_then_in_the_history(emulator: Emulator, tmp_path: Path) -> None:
    assert planhat(emulator, tmp_path, "sync", "Company").returncode == 0
    client = Planhat(api_url=emulator.url, api_token="test-token", mirror=tmp_path / "planhat.db")
    with client.offline():
        company = Company.objects.first()
        assert company is not None
        company.phase = "Written offline"
        company.save()
    client.user_activity.record({"email": "a@a.example", "action": "login"})
    client.close()

    assert "1 UserActivity" in planhat(emulator, tmp_path, "status").stdout
    asked = emulator.calls
    planned = planhat(emulator, tmp_path, "push", "--plan")
    assert company.id in planned.stdout and "a@a.example" in planned.stdout and emulator.calls == asked
    assert "no tenant" in planhat(emulator, tmp_path, "push").stderr
    assert "1 discarded" in planhat(emulator, tmp_path, "outbox", "discard", "2").stdout

    listed = planhat(emulator, tmp_path, "outbox")
    assert company.id in listed.stdout and "pending" in listed.stdout
    pushed = planhat(emulator, tmp_path, "push")
    assert "updated 1" in pushed.stdout, pushed.stderr
    assert "empty" in planhat(emulator, tmp_path, "outbox").stdout
    seen = planhat(emulator, tmp_path, "history", "Company", company.id, "--field", "phase")
    assert "Written offline" in seen.stdout and "mine" in seen.stdout
    assert company.name is not None and f"Company {company.name.split()[0]}" in seen.stdout


def test_discarding_what_waits_sends_nothing(emulator: Emulator, tmp_path: Path) -> None:
    assert planhat(emulator, tmp_path, "sync", "Company").returncode == 0
    client = Planhat(api_url=emulator.url, api_token="test-token", mirror=tmp_path / "planhat.db")
    with client.offline():
        company = Company.objects.first()
        assert company is not None
        company.phase = "Regretted"
        company.save()
    client.close()
    assert planhat(emulator, tmp_path, "outbox", "discard").returncode == 1
    assert "1 discarded" in planhat(emulator, tmp_path, "outbox", "discard", "--all").stdout
    assert "nothing to send" in planhat(emulator, tmp_path, "push").stdout
    assert emulator.log.count("PUT") == 0


def test_a_misspelt_column_conversion_or_policy_names_the_nearest_one(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text("Account,Phase\nx,y\n", "utf-8")
    (tmp_path / "map.toml").write_text('Acount = "external_id"\n', "utf-8")
    wrong = planhat(emulator, tmp_path, "push", "crm.csv", "--model", "Company", "--key", "external_id",
                    "--map", "map.toml")  # fmt: skip
    assert wrong.returncode == 2 and "Did you mean 'Account'?" in wrong.stderr
    (tmp_path / "map.toml").write_text('Account = {field = "external_id", convert = "uper"}\n', "utf-8")
    wrong = planhat(emulator, tmp_path, "push", "crm.csv", "--model", "Company", "--map", "map.toml")
    assert wrong.returncode == 2 and "Did you mean 'upper'?" in wrong.stderr
    assert len(emulator.log) == 0
