"""JSON nested 5,000 deep, wherever it may come from, is an error of ours and no RecursionError."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from planhat_orm import (
    Company,
    ConfigurationError,
    Custom,
    MirrorError,
    Planhat,
    PlanhatError,
    ValidationError,
    json_decoding,
)
from planhat_orm.cli import push
from planhat_orm.cli.run import run
from planhat_orm.emulator import Emulator
from planhat_orm.webhooks import bodies

DEEP = "[" * 5000 + "]" * 5000


class Indexed(Company):
    """An index over the cells: it reads them whenever they are written."""

    tier = Custom("Tier", str, index=True)


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 5000 + "1" + "}" * 5000, "[" * 1_000_000])
def test_the_reader_of_json_knows_one_kind_of_error(text: str) -> None:
    for read in (json_decoding.decode, json_decoding.split_items):
        with pytest.raises(msgspec.DecodeError):
            read(text.encode())


READ: dict[str, Callable[[Planhat, Path], Any]] = {
    "records": lambda p, folder: [company.to_wire() for company in Company.objects.using("mirror")],
    "a condition": lambda p, folder: list(Company.objects.using("mirror").filter(custom__Odd="x")),
    "figures": lambda p, folder: Company.objects.using("mirror").filter(custom__Odd__contains="x").count(),
    "json lines": lambda p, folder: p.mirror.export(folder / "out", format="jsonl"),
}


@pytest.mark.filterwarnings("ignore::planhat_orm.errors.UnknownNameWarning")
@pytest.mark.parametrize("read", READ.values(), ids=READ)
@pytest.mark.parametrize("cell", [DEEP, "{", '{"Odd": ' + DEEP + "}"], ids=["deep", "broken", "deep in a field"])
def test_a_cell_of_the_mirror_is_named_as_what_it_is(read: Any, cell: str, tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    settings: dict[str, Any] = {"mirror": path, "custom": "warn"}  # no account has a field `Odd`
    with Emulator(3) as emulator, Planhat(emulator.api_token, api_url=emulator.url, **settings) as planhat:
        planhat.sync(Company)
        planhat.close()
        with sqlite3.connect(path) as connection:
            declared = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%custom%'"
            for (name,) in connection.execute(declared).fetchall():
                connection.execute(f'DROP INDEX "{name}"')
            connection.execute("UPDATE company SET custom = ?", [cell])
        connection.close()
        with pytest.raises(MirrorError):
            read(planhat, tmp_path)
        assert planhat.mirror.doctor() is not None


def test_json_lines_and_toml_name_the_file(tmp_path: Path) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"externalId": "a"}\n' + DEEP + "\n")
    with Emulator(0) as emulator, Planhat(emulator.api_token, api_url=emulator.url) as planhat:
        with pytest.raises(ValidationError, match="rows.jsonl, line 2 is no JSON"):
            Company.objects.using(planhat).reconcile(lines, key="external_id")
        lines.write_text('{"externalId": "a"}\n[1]\n')
        with pytest.raises(ValidationError, match="rows.jsonl, line 2 holds no JSON object"):
            Company.objects.using(planhat).reconcile(lines, key="external_id")
    mapping = tmp_path / "map.toml"
    mapping.write_text("a = " + DEEP)
    with pytest.raises(ConfigurationError, match="map.toml is no TOML"):
        push.read_mapping(mapping)


def test_a_value_on_the_command_line_is_a_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["query", "Company", f"name={DEEP}", "--mirror", str(tmp_path / "none.db"), "--offline"]) != 0
    assert "unexpected" not in capsys.readouterr().err


def test_the_emulator_answers_400() -> None:
    with Emulator(0) as emulator:
        headers = {"Authorization": f"Bearer {emulator.api_token}"}
        assert httpx.post(f"{emulator.url}/companies", content=DEEP, headers=headers).status_code == 400
        page = f"{emulator.url}/__emulator__/faults"
        assert httpx.post(page, content=DEEP, headers={"origin": emulator.url}).status_code in (400, 403)


def test_a_webhook_cannot_be_read() -> None:
    with pytest.raises(bodies.Unreadable):
        bodies.read(DEEP.encode())


def test_what_is_to_be_sent_is_refused() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    with Emulator(0) as emulator, Planhat(emulator.api_token, api_url=emulator.url) as planhat:
        with pytest.raises(PlanhatError):
            planhat.company.create({"name": "Acme", "custom": {"Deep": deep}})
        assert emulator.calls == 0


def test_what_is_not_utf_8_is_told_without_its_text() -> None:
    with pytest.raises(msgspec.DecodeError) as told:
        json_decoding.decode(b'{"name":"secret \xff"}')
    assert "secret" not in repr(told.value)
