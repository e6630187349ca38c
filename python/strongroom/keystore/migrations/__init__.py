"""Alembic migrations of the keystore."""
