"""Messages on their way, in both directions, and the receipts that are still owed."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # state: SMPP message_state; receipt: 0 none is owed, 1 owed, 2 answered by the ESME.
    op.execute(
        """CREATE TABLE message (
            id INTEGER PRIMARY KEY, account TEXT NOT NULL, mobile_originated INTEGER NOT NULL,
            pdu BLOB NOT NULL, accepted_at INTEGER NOT NULL, due_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL, state INTEGER NOT NULL, error INTEGER NOT NULL,
            final_at INTEGER NOT NULL, receipt INTEGER NOT NULL)"""
    )
    op.execute("CREATE INDEX message_open ON message (id) WHERE state = 1 OR receipt = 1")


def downgrade() -> None:
    op.execute("DROP TABLE message")
