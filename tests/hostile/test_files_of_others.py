"""What writes a file asks first: a file that is there stays, no link is followed, and what is new is for its owner only."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import Company, ConfigurationError, Planhat, files
from planhat_orm.cli import main
from planhat_orm.emulator import Emulator
from planhat_orm.mirror import Mirror

FORMS = {
    "csv": "out/company.csv",
    "jsonl": "out/company.jsonl",
    "parquet": "out/company.parquet",
    "duckdb": "out.duckdb",
}


def _given(file: str) -> str:
    """What is asked for, so that this file is written."""
    return file.partition("/")[0]


def _export(form: str) -> Callable[[Mirror], Any]:
    return lambda mirror: mirror.export(_given(FORMS[form]), form, Company)


VERBS: dict[str, tuple[str, Callable[[Mirror], Any]]] = {
    "backup": ("copy.db", lambda mirror: mirror.backup("copy.db")),
    "rescue": ("copy.db", lambda mirror: mirror.rescue("copy.db")),
    **{f"export {form}": (file, _export(form)) for form, file in FORMS.items()},
}  # fmt: skip
"""Each verb of the library that writes a file, and the file."""
COMMANDS: dict[str, tuple[str, list[str]]] = {
    **{f"export {form}": (file, ["export", _given(file), "Company", "--format", form]) for form, file in FORMS.items()},
    "backup": ("copy.db", ["backup", "copy.db"]),
    "rescue": ("copy.db", ["doctor", "--rescue", "copy.db"]),
    "models": ("account.py", ["models", "Company", "--out", "account.py"]),
    "report": ("page.html", ["report", "--out", "page.html"]),
    "demo": ("kept/planhat.db", ["demo", "--keep", "kept", "--companies", "1", "--endusers", "0", "--licenses", "0"]),
}  # fmt: skip
"""Each command that does."""
REPLACING = [name for name in COMMANDS if name.partition(" ")[0] in ("export", "models", "report")]


@pytest.fixture(scope="module")
def tenant() -> Iterator[Emulator]:
    with Emulator(5, endusers=0, conversations=0, tasks=0) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def filled(tenant: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "planhat.db"
    with Planhat("test-token", api_url=tenant.url, calls_per_min=1_000_000, mirror=path) as planhat:
        planhat.sync()
    return path


@pytest.fixture
def mirror(tenant: Emulator, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.chdir(tmp_path)
    for name, value in {"API_URL": tenant.url, "API_TOKEN": "test-token", "MIRROR": "planhat.db"}.items():
        monkeypatch.setenv(f"PLANHAT_{name}", value)
    monkeypatch.setenv("PLANHAT_CONFIG", str(tmp_path / "config" / "profiles.toml"))
    with Mirror(shutil.copy(filled, "planhat.db")) as made:
        yield made


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert isinstance(stop.value.code, int)
    return stop.value.code


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


@pytest.mark.parametrize(("file", "verb"), VERBS.values(), ids=VERBS)
def test_a_verb_leaves_a_file_that_is_there(
    mirror: Mirror, tmp_path: Path, file: str, verb: Callable[[Mirror], Any]
) -> None:
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text("theirs")
    with pytest.raises(ConfigurationError, match=rf"{file} (exists|cannot be written)"):
        verb(mirror)
    assert Path(file).read_text() == "theirs"
    assert not hidden(tmp_path)


@pytest.mark.parametrize("leads", ["nowhere", "to a file"])
@pytest.mark.parametrize(("file", "verb"), VERBS.values(), ids=VERBS)
def test_a_verb_follows_no_link(
    mirror: Mirror, tmp_path: Path, file: str, verb: Callable[[Mirror], Any], leads: str
) -> None:
    planted = tmp_path / "planted"
    if leads == "to a file":
        planted.write_text("theirs")
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).symlink_to(planted)
    with pytest.raises(ConfigurationError, match=f"{file} exists: .*(another name|choose)"):
        verb(mirror)
    assert Path(file).is_symlink()
    assert planted.exists() is (leads == "to a file") and (leads == "nowhere" or planted.read_text() == "theirs")


@pytest.mark.parametrize("form", FORMS)
def test_an_export_that_is_told_to_replaces_the_link_and_not_what_it_leads_to(
    mirror: Mirror, tmp_path: Path, form: str
) -> None:
    planted, file = tmp_path / "planted", Path(FORMS[form])
    planted.write_text("theirs")
    planted.chmod(0o666)
    file.parent.mkdir(exist_ok=True)
    file.symlink_to(planted)
    assert mirror.export(_given(FORMS[form]), form, Company, overwrite=True) == [file]
    assert planted.read_text() == "theirs"
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600 and not file.is_symlink()


@pytest.mark.parametrize("form", FORMS)
def test_an_export_that_says_so_of_itself_is_renewed_and_another_is_not(mirror: Mirror, form: str) -> None:
    asked = _given(FORMS[form])
    mirror.export(asked, form, Company)
    if form in ("parquet", "duckdb"):
        mirror.export(asked, form, Company)
    else:
        with pytest.raises(ConfigurationError, match="--force"):
            mirror.export(asked, form, Company)
        mirror.export(asked, form, Company, overwrite=True)


def test_one_file_of_others_stops_an_export_before_the_first_is_written(mirror: Mirror) -> None:
    Path("out").mkdir()
    Path("out/license.csv").write_text("theirs")
    with pytest.raises(ConfigurationError, match="license.csv exists"):
        mirror.export("out", "csv")
    assert [path.name for path in Path("out").iterdir()] == ["license.csv"]


def test_a_parquet_file_of_others_stays(mirror: Mirror) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    Path("out").mkdir()
    parquet.write_table(pa.table({"a": [1]}), "out/company.parquet")
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        mirror.export("out", models=Company)
    assert parquet.read_table("out/company.parquet").column_names == ["a"]


def test_a_duckdb_table_of_others_stays(mirror: Mirror) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect("out.duckdb") as connection:
        connection.execute("CREATE TABLE company AS SELECT 1 AS a")
    with pytest.raises(ConfigurationError, match="has a table 'company' that no export made: overwrite=True"):
        mirror.export("out.duckdb", "duckdb", Company)
    with duckdb.connect("out.duckdb") as connection:
        assert connection.execute("SELECT * FROM company").fetchall() == [(1,)]
    mirror.export("out.duckdb", "duckdb", Company, overwrite=True)
    with duckdb.connect("out.duckdb") as connection:
        assert len(connection.execute("SELECT * FROM company").fetchall()) == 5


@pytest.mark.parametrize("make", [Mirror.backup, Mirror.rescue], ids=["backup", "rescue"])
@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
def test_a_planted_journal_is_not_taken_for_a_part_of_a_copy(
    mirror: Mirror, make: Callable[[Mirror, str], Any], suffix: str
) -> None:
    Path(f"copy.db{suffix}").write_bytes(b"planted")
    with pytest.raises(ConfigurationError, match=f"copy.db{suffix} exists: choose another name"):
        make(mirror, "copy.db")
    assert not Path("copy.db").exists()


@pytest.mark.parametrize(("file", "arguments"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_leaves_a_file_that_is_there_and_says_what_to_do(
    mirror: Mirror, tmp_path: Path, file: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).symlink_to(tmp_path / "planted")
    assert status(*arguments) == 1
    said = capsys.readouterr().err
    assert f"{file} exists: " in said and ("--force" in said or "another" in said)
    assert Path(file).is_symlink() and not Path("planted").exists()
    assert not hidden(tmp_path)


@pytest.mark.parametrize("name", REPLACING)
def test_a_command_with_force_replaces_the_file_and_keeps_its_rights(mirror: Mirror, tmp_path: Path, name: str) -> None:
    file, arguments = Path(COMMANDS[name][0]), COMMANDS[name][1]
    assert status(*arguments) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    assert status(*arguments, "--force") == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert not hidden(tmp_path)


def test_models_renews_the_module_that_it_wrote_and_no_other(mirror: Mirror) -> None:
    arguments = COMMANDS["models"][1]
    assert status(*arguments) == 0
    written = Path("account.py").read_text()
    assert status(*arguments) == 0
    Path("account.py").write_text("import os\n" + written)
    assert status(*arguments) == 1
    assert status(*arguments, "--force") == 0
    assert Path("account.py").read_text() == written


def test_a_profile_with_a_token_is_private_whatever_the_file_was(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Path("config/profiles.toml")
    config.parent.mkdir()
    config.write_text('default_profile = "eu"\n[eu]\napi_url = "https://eu.example"\n')
    config.chmod(0o644)
    monkeypatch.setattr("planhat_orm.cli.init._ask_token", lambda: "test-token")
    assert status("init", "us", "--api-url", os.environ["PLANHAT_API_URL"], "--keep", "file", "--mirror", "us.db") == 0
    assert "test-token" in config.read_text() and stat.S_IMODE(config.stat().st_mode) == 0o600


def test_what_appears_while_a_file_is_made_stays(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    with pytest.raises(ConfigurationError, match="exists"), files.whole(file, replace=False) as beside:
        beside.write_text("ours")
        file.write_text("theirs")
    assert file.read_text() == "theirs" and not hidden(tmp_path)


def test_the_rights_of_another_users_file_are_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    file = tmp_path / "page.html"
    file.write_text("theirs")
    file.chmod(0o666)
    os.chown(file, 12345, 12345)
    files.write_text(file, "ours", replace=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
