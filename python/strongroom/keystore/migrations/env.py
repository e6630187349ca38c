"""How Alembic runs here: on the caller's connection, in the caller's transaction."""

from alembic import context

from strongroom.keystore.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
