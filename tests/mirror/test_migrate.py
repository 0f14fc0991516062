"""Opening mirrors of other releases: upgraded in one transaction, or refused untouched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from planhat_orm.errors import ConfigurationError
from planhat_orm.mirror import Mirror, migrate, tables

SECOND = '''
"""A later release."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("company", sa.Column("mood", sa.Text()))
    {more}
'''


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Turn this release into the next one, whose migration does `more`."""

    def next_release(more: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(migrate.folder(), folder)
        (folder / "versions" / "0002_later.py").write_text(SECOND.format(more=more))
        monkeypatch.setattr(migrate, "folder", lambda: folder)
        monkeypatch.setattr(migrate, "VERSIONS", ("0001", "0002"))

    return next_release


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "old.db"
    with Mirror(path) as mirror, mirror.database.writing() as connection:
        connection.execute(text("INSERT INTO company (id, name, _hash) VALUES ('5f0c', 'Acme', x'00')"))
    yield path


def test_the_migrations_make_the_declared_tables(mirror: Mirror) -> None:
    with mirror.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or migrate.ours(name)},
        )
        assert compare_metadata(context, tables.metadata) == []


def test_the_release_knows_all_its_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.folder()))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == migrate.VERSIONS


def test_an_older_mirror_is_upgraded_and_keeps_its_rows(old: Path, release: Callable[[str], None]) -> None:
    release("op.create_table('mood', sa.Column('id', sa.Text()))")
    with Mirror(old) as mirror:
        assert mirror.status().upgraded_from == "0001"
        assert "upgraded" in str(mirror.status())
        with mirror.engine.connect() as connection:
            assert connection.execute(text("SELECT name, mood FROM company")).all() == [("Acme", None)]
    with Mirror(old) as again:
        assert again.status().upgraded_from is None


def test_an_upgrade_that_fails_leaves_the_old_mirror(
    old: Path, release: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    release("raise RuntimeError('power cut')")
    with pytest.raises(RuntimeError, match="power cut"):
        Mirror(old).status()
    monkeypatch.undo()
    with Mirror(old) as mirror:
        assert "mood" not in {column["name"] for column in inspect(mirror.engine).get_columns("company")}
        assert list(mirror.status()) == []


def test_a_newer_mirror_is_refused_untouched(
    old: Path, release: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    release("pass")
    with Mirror(old) as mirror:
        mirror.status()
    monkeypatch.undo()
    before = old.read_bytes()
    with pytest.raises(ConfigurationError, match="newer release"):
        Mirror(old).status()
    assert old.read_bytes() == before
