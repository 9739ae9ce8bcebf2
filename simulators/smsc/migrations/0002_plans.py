"""What chance decided for a message, and the id under which its submitter knows it."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 0: the row's own id; and nothing was decided.
    op.execute("ALTER TABLE message ADD COLUMN public_id INTEGER NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE message ADD COLUMN plan INTEGER NOT NULL DEFAULT 0")
    # It cost two writes a message and is read once a start, when a scan does.
    op.execute("DROP INDEX message_open")


def downgrade() -> None:
    op.execute("CREATE INDEX message_open ON message (id) WHERE state = 1 OR receipt = 1")
    op.execute("ALTER TABLE message DROP COLUMN plan")
    op.execute("ALTER TABLE message DROP COLUMN public_id")
