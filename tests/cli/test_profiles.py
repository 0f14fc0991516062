"""Profiles, `.env` and the environment: a command's settings come whole from one of them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planhat_orm.emulator import Emulator

from .conftest import TENANT, TOKEN, Run

OTHER = "secret-token-of-the-other"


@pytest.fixture
def other() -> Iterator[Emulator]:
    with Emulator(3, api_token=OTHER) as emulator:
        yield emulator


@pytest.fixture
def file(run: Run) -> Path:
    return Path(os.environ["PLANHAT_CONFIG"])


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o600)


def count(run: Run, *options: str) -> str:
    shown = run(*options, "query", "Company", "--count", "--online")
    assert shown.code == 0, shown.err
    return shown.out.strip()


def test_init_writes_a_profile_that_commands_use(
    run: Run, file: Path, tenant: Emulator, other: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, emulator, token in (("eu", tenant, TOKEN), ("us", other, OTHER)):
        typed(monkeypatch, f"{token}\n")
        made = run("init", name, "--api-url", emulator.url, "--mirror", f"{name}.db", "--keep", "file")
        assert made.code == 0 and OTHER not in made.out + made.err, made.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert (count(run), count(run, "--profile", "us"), count(run, "--profile", "eu")) == ("30", "3", "30")
    assert run("--profile", "us", "sync", "Company").code == 0
    assert (tmp_path / "us.db").exists() and not (tmp_path / "eu.db").exists()
    assert "profile us" in run("--profile", "us", "doctor").out
    assert "PLANHAT_API_TOKEN" not in os.environ, "a command leaves the environment as it was"


def test_a_profile_hides_what_the_environment_says_of_another_account(
    run: Run, file: Path, tenant: Emulator, other: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, f'[us]\napi_token = "{OTHER}"\napi_url = "{other.url}"\n')
    monkeypatch.setenv("PLANHAT_API_TOKEN", TOKEN)
    monkeypatch.setenv("PLANHAT_TENANT_TOKEN", TENANT)
    monkeypatch.setenv("PLANHAT_API_URL", tenant.url)
    assert (count(run), count(run, "--profile", "us")) == ("30", "3")
    assert "PLANHAT_TENANT_TOKEN is not set" in run("--profile", "us", "doctor").out
    monkeypatch.setenv("PLANHAT_PROFILE", "us")
    assert count(run) == "3"


def test_dotenv_is_used_where_the_environment_has_no_token_and_never_with_one(
    run: Run, file: Path, tenant: Emulator, other: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, f'default_profile = "us"\n[us]\napi_token = "{OTHER}"\napi_url = "{other.url}"\n')
    assert count(run) == "3"
    (tmp_path / ".env").write_text(f"PLANHAT_API_TOKEN='{TOKEN}'\nexport PLANHAT_API_URL={tenant.url}\nELSE=1\n")
    assert count(run) == "30" and "ELSE" not in os.environ
    monkeypatch.setenv("PLANHAT_API_TOKEN", OTHER)
    monkeypatch.setenv("PLANHAT_API_URL", other.url)
    assert count(run) == "3"
    monkeypatch.delenv("PLANHAT_API_URL")
    (tmp_path / ".env").write_text(f"PLANHAT_API_URL={tenant.url}\n")
    calls = tenant.calls
    run("query", "Company", "--count", "--online", "--api-url", "http://127.0.0.1:9")
    assert tenant.calls == calls, "the token of the environment does not go where a file says"


def test_a_token_comes_from_a_variable_or_the_keyring(
    run: Run, file: Path, tenant: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, f'[eu]\napi_token_from = "env:EU"\napi_url = "{tenant.url}"\n')
    assert "EU, which is not set" in run("--profile", "eu", "status").err
    monkeypatch.setenv("EU", TOKEN)
    assert count(run, "--profile", "eu") == "30"

    kept: dict[tuple[str, str], str] = {}
    keyring = pytest.importorskip("keyring")
    monkeypatch.setattr(keyring, "set_password", lambda service, name, value: kept.update({(service, name): value}))
    monkeypatch.setattr(keyring, "get_password", lambda service, name: kept.get((service, name)))
    typed(monkeypatch, TOKEN)
    made = run("init", "ring", "--api-url", tenant.url, "--mirror", "r.db", "--keep", "keyring")
    assert made.code == 0 and TOKEN not in file.read_text(), made.err
    assert list(kept.values()) == [TOKEN] and count(run, "--profile", "ring") == "30"


def test_init_keeps_what_the_file_holds_and_replaces_only_when_told(
    run: Run, file: Path, tenant: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, '# ours\ndefault_profile = "eu"\n[eu]\napi_token_from = "env:EU"  # the vault sets it\n')
    arguments = ["--api-url", tenant.url, "--mirror", "x.db", "--keep", "file"]
    typed(monkeypatch, TOKEN)
    assert run("init", "us", *arguments, "--default").code == 0
    text = file.read_text()
    assert "# ours" in text and "# the vault sets it" in text and 'default_profile = "us"' in text
    assert count(run) == "30"
    typed(monkeypatch, TOKEN)
    again = run("init", "us", *arguments)
    assert again.code == 1 and "--force" in again.err
    assert run("init", "us", *arguments, "--force").code == 0


def test_init_writes_nothing_for_a_token_that_is_not_accepted(
    run: Run, file: Path, tenant: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "wrong")
    made = run("init", "eu", "--api-url", tenant.url, "--mirror", "x.db", "--keep", "file")
    assert made.code == 1 and "401" in made.err and not file.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[eu\n", "is not TOML"),
        ("[eu]\napi_ulr = 'x'\n", "Did you mean 'api_url'"),
        ("[eu]\napi_url = ['x']\n", "must be a text"),
        ("other = 3\n", "no table"),
        ("[eu]\napi_token_from = 'vault'\n", "keyring or env:NAME"),
        ("[us]\n", "There are: us. planhat init eu"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(run: Run, file: Path, text: str, said: str) -> None:
    write(file, text)
    shown = run("--profile", "eu", "status")
    assert shown.code == 1 and said in shown.err
    assert run("init", "--help").code == run("emulator", "--help").code == 0


@pytest.mark.skipif(os.name != "posix", reason="other systems keep rights elsewhere")
def test_a_dotenv_that_is_no_text_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"PLANHAT_API_TOKEN=secret-\xff\xfe\0")
    done = run("status")
    assert done.code == 1 and ".env is not text in UTF-8" in done.err and "secret" not in done.err


def test_a_file_with_a_token_that_others_can_read_is_refused(run: Run, file: Path) -> None:
    write(file, f'[eu]\napi_token = "{TOKEN}"\n')
    file.chmod(0o644)
    shown = run("--profile", "eu", "status")
    assert shown.code == 1 and "chmod 600" in shown.err
