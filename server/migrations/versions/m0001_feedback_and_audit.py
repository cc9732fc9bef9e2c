"""Feedback, and the log of what the staff did. Databases from before there were migrations have both already."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables that aren't there."""
    there = sa.inspect(op.get_bind()).get_table_names()
    if "feedback" not in there:
        op.create_table(
            "feedback",
            sa.Column("answer_id", sa.String(32), primary_key=True),
            sa.Column("sent", sa.DateTime(timezone=True), nullable=False, index=True),
            sa.Column("helpful", sa.Boolean, nullable=False),
            sa.Column("reason", sa.String(20), nullable=False),
            sa.Column("comment", sa.String(1_000), nullable=False),
            sa.Column("question", sa.String(500), nullable=False),
        )
    if "audit" not in there:
        op.create_table(
            "audit",
            sa.Column("entry_id", sa.Integer, primary_key=True),
            sa.Column("at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("action", sa.String(20), nullable=False),
            sa.Column("subject", sa.String(300), nullable=False),
            sa.Column("outcome", sa.String(40), nullable=False),
        )
