"""A mirror belongs to one account, and is refused to a client of another."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, MirrorError, Planhat
from planhat_orm.mirror import Mirror
from tests.other_server import OtherServer

from .conftest import ROWS, Make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "planhat.db"


@pytest.fixture
def filled(make: Make, path: Path) -> Path:
    """A mirror of a's companies."""
    planhat = make("a", mirror=path)
    planhat.sync(Company)
    planhat.close()
    return path


USES: dict[str, Any] = {
    "sync": lambda planhat: planhat.sync(Company),
    "read": lambda planhat: Company.objects.using(planhat).using("mirror").count(),
    "push": lambda planhat: planhat.push(),
    "status": lambda planhat: planhat.mirror.status(),
    "save": lambda planhat: Company(name="x").save(using=planhat),
}


@pytest.mark.parametrize("use", USES)
def test_a_mirror_is_refused_to_another_account(use: str, make: Make, filled: Path, server: OtherServer) -> None:
    calls = len(server.log)
    with pytest.raises(MirrorError, match="planhat mirror adopt") as raised:
        USES[use](make("b", mirror=filled))
    assert str(raised.value).count("127.0.0.1") == 2
    assert len(server.log) == calls
    assert make("a", mirror=filled).mirror.status()["company"].rows == ROWS


def test_a_mirror_that_holds_nothing_is_noted_for_whoever_opens_it(make: Make, path: Path) -> None:
    for account in ("a", "b", "a"):
        planhat = make(account, mirror=path)
        planhat.mirror.status()
        planhat.close()
    make("a", mirror=path).sync(Company)
    with pytest.raises(MirrorError):
        make("b", mirror=path).mirror.status()


def test_a_mirror_with_only_a_write_in_it_holds_something(make: Make, path: Path) -> None:
    planhat = make("a", mirror=path)
    with planhat.offline():
        Company.objects.create(name="Later")
    planhat.close()
    with pytest.raises(MirrorError):
        make("b", mirror=path).push()


def test_a_mirror_of_an_older_release_is_noted_with_a_word_in_the_log(
    make: Make, filled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DELETE FROM mirror_meta WHERE key LIKE 'account%'")
    with caplog.at_level(logging.INFO, "planhat_orm"):
        make("a", mirror=filled).mirror.status()
    assert [record for record in caplog.messages if "is noted as that of 127.0.0.1" in record]
    with pytest.raises(MirrorError):
        make("b", mirror=filled).mirror.status()


def test_nothing_of_a_token_is_in_the_file_and_two_files_say_different_things(make: Make, tmp_path: Path) -> None:
    notes = []
    for name in ("1.db", "2.db"):
        make("a", mirror=tmp_path / name).sync(Company)
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            notes.append(dict(connection.execute("SELECT key, value FROM mirror_meta WHERE key LIKE 'account%'")))
        assert b"token-a" not in (tmp_path / name).read_bytes()
    assert notes[0]["account_host"] == notes[1]["account_host"]
    assert notes[0]["account_key"] != notes[1]["account_key"]
    assert notes[0]["account_digest"] != notes[1]["account_digest"]


def test_without_a_token_a_mirror_opens_and_pushes_nothing(filled: Path, server: OtherServer) -> None:
    from planhat_orm import ConfigurationError

    planhat = Planhat(api_url=server.url, mirror=filled)
    assert Company.objects.using(planhat).using("mirror").count() == ROWS
    with planhat.offline():
        Company.objects.create(name="Later")
    calls = len(server.log)
    with pytest.raises(ConfigurationError):
        planhat.push()
    assert len(server.log) == calls
    assert len(planhat.outbox or ()) == 1


def test_a_rotated_token_is_adopted(make: Make, filled: Path, server: OtherServer) -> None:
    server.admit("rotated", "a")
    server.revoke("token-a")
    planhat = make("b", api_token="rotated", mirror=filled)
    with pytest.raises(MirrorError):
        planhat.mirror.status()
    calls = len(server.log)
    planhat.adopt_mirror()
    assert len(server.log) - calls == 5
    assert planhat.mirror.status()["company"].rows == ROWS
    planhat.sync(Company)
    with pytest.raises(MirrorError):
        make("b", mirror=filled).mirror.status()


@pytest.mark.parametrize("run", ["thread", "task"])
def test_a_mirror_whose_records_are_not_there_is_adopted_by_force_only(run: str, make: Make, filled: Path) -> None:
    planhat = make("b", mirror=filled)

    def adopt(**options: Any) -> None:
        if run == "thread":
            planhat.adopt_mirror(**options)
        else:
            asyncio.run(planhat.aadopt_mirror(**options))

    with pytest.raises(MirrorError, match="5 of 5 records .* are not in .*--force"):
        adopt()
    with pytest.raises(MirrorError):
        planhat.mirror.status()
    adopt(force=True)
    assert planhat.mirror.status()["company"].rows == ROWS


def test_a_mirror_of_another_host_is_adopted_by_force_only(make: Make, filled: Path, server: OtherServer) -> None:
    with OtherServer(accounts={"token-a": "a"}) as sandbox:
        for record in server.records("company", account="a"):
            sandbox.put_raw("company", record, account="a")
        planhat = make("a", api_url=sandbox.url, analytics_url=sandbox.url, mirror=filled)
        with pytest.raises(MirrorError, match="copy"):
            planhat.adopt_mirror()
        assert sandbox.log == []
        planhat.adopt_mirror(force=True)
        assert planhat.mirror.status()["company"].rows == ROWS
        planhat.close()


def test_an_account_with_a_name_keeps_its_mirror_over_tokens_and_hosts(
    make: Make, path: Path, server: OtherServer
) -> None:
    server.admit("rotated", "a")
    for token in ("token-a", "rotated"):
        planhat = make("a", api_token=token, account="acme", mirror=path)
        planhat.sync(Company)
        planhat.close()
    with pytest.raises(MirrorError, match="'acme' at"):
        make("b", account="apex", mirror=path).mirror.status()
    named: Any = make("a", api_token=lambda: "rotated", account="acme", mirror=path)
    assert named.mirror.status()["company"].rows == ROWS


def test_a_name_that_is_given_later_is_noted(make: Make, filled: Path) -> None:
    planhat = make("a", account="acme", mirror=filled)
    planhat.mirror.status()
    planhat.close()
    assert make("b", account="acme", mirror=filled).mirror.status()["company"].rows == ROWS


def test_a_rescued_mirror_belongs_to_the_same_account(make: Make, filled: Path, tmp_path: Path) -> None:
    Mirror(filled).rescue(tmp_path / "new.db")
    with pytest.raises(MirrorError, match="planhat mirror adopt"):
        make("b", mirror=tmp_path / "new.db").mirror.status()
    assert make("a", mirror=tmp_path / "new.db").mirror.status()["company"].rows == ROWS


def test_the_command_adopts(
    filled: Path, server: OtherServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from planhat_orm.cli.run import run

    monkeypatch.setenv("PLANHAT_API_URL", server.url)
    monkeypatch.setenv("PLANHAT_API_TOKEN", "token-b")
    assert run(["status", "--mirror", str(filled)]) == 1
    assert "planhat mirror adopt" in capsys.readouterr().err
    assert run(["mirror", "adopt", "--mirror", str(filled)]) == 1
    assert "--force" in capsys.readouterr().err
    server.admit("rotated", "a")
    monkeypatch.setenv("PLANHAT_API_TOKEN", "rotated")
    assert run(["mirror", "adopt", "--mirror", str(filled)]) == 0
    assert "belongs to 127.0.0.1" in capsys.readouterr().err
    assert run(["status", "--mirror", str(filled)]) == 0
