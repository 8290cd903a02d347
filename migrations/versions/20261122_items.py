"""Items: messages that came through /v1, their attachments, and threads that were made for responses. Time for goals.

A column at a time, with a default for the rows that exist: SQLite cannot rebuild a table that others refer to.
"""

from alembic import op
import sqlalchemy as sa
from app.clock import UtcDateTime
revision = '5f6f2c9a4b13'
down_revision = '8d0c5e2b7f41'
branch_labels = None
depends_on = None

FINGERPRINTED = sa.text('fingerprint IS NOT NULL')
REMOVED = sa.text('removed_at IS NOT NULL')


def upgrade() -> None:
    op.create_table(
        'attachments',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('thread_id', sa.Uuid(), nullable=False),
        sa.Column('media_type', sa.String(length=100), nullable=False),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['thread_id'], ['threads.id'], name=op.f('fk_attachments_thread_id_threads'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_attachments')),
    )
    op.create_index(op.f('ix_attachments_thread_id'), 'attachments', ['thread_id'])

    op.add_column('threads', sa.Column('hidden', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('threads', sa.Column('lasting', sa.Boolean(), nullable=False, server_default=sa.true()))

    op.add_column('jobs', sa.Column('more_seconds', sa.Double(), nullable=False, server_default=sa.text('0')))

    op.add_column('messages', sa.Column('calls', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('messages', sa.Column('call_id', sa.String(length=200), nullable=True))
    op.add_column('messages', sa.Column('fingerprint', sa.String(length=64), nullable=True))
    op.add_column('messages', sa.Column('removed_at', UtcDateTime(), nullable=True))
    op.create_index(
        'ix_messages_fingerprint', 'messages', ['fingerprint'],
        sqlite_where=FINGERPRINTED, postgresql_where=FINGERPRINTED,
    )
    op.create_index(
        'ix_messages_removed_at', 'messages', ['removed_at'], sqlite_where=REMOVED, postgresql_where=REMOVED
    )


def downgrade() -> None:
    op.drop_index('ix_messages_removed_at', table_name='messages')
    op.drop_index('ix_messages_fingerprint', table_name='messages')
    op.drop_column('messages', 'removed_at')
    op.drop_column('messages', 'fingerprint')
    op.drop_column('messages', 'call_id')
    op.drop_column('messages', 'calls')

    op.drop_column('jobs', 'more_seconds')

    op.drop_column('threads', 'lasting')
    op.drop_column('threads', 'hidden')

    op.drop_index(op.f('ix_attachments_thread_id'), table_name='attachments')
    op.drop_table('attachments')
