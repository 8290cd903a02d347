"""Smaller indexes: where few rows have a value, only those rows. To write a row costs a page in each index it is in."""

from alembic import op
import sqlalchemy as sa
revision = 'c3d1f7a8e250'
down_revision = '5f6f2c9a4b13'
branch_labels = None
depends_on = None

FEW = (
    ('ix_threads_deleted_at', 'threads', 'deleted_at'),
    ('ix_jobs_after_id', 'jobs', 'after_id'),
    ('ix_messages_parent_id', 'messages', 'parent_id'),
    ('ix_messages_steers_job_id', 'messages', 'steers_job_id'),
)


def upgrade() -> None:
    for name, table, column in FEW:
        op.drop_index(name, table_name=table)
        present = sa.text(f'{column} IS NOT NULL')
        op.create_index(name, table, [column], sqlite_where=present, postgresql_where=present)


def downgrade() -> None:
    for name, table, column in FEW:
        op.drop_index(name, table_name=table)
        op.create_index(name, table, [column])
