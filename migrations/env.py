"""How Alembic reaches a mirror: through the connection that the library hands it, in that one's transaction."""

from __future__ import annotations

from alembic import context

from planhat_orm.mirror.db import tables
from planhat_orm.mirror.upkeep.migrate import VERSION_TABLE, ours

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("A mirror upgrades itself when it is opened: Mirror('planhat.db').status().")

context.configure(
    connection=connection,
    target_metadata=tables.metadata,
    version_table=VERSION_TABLE,
    include_name=lambda name, kind, parents: kind != "table" or ours(name),
)
context.run_migrations()
