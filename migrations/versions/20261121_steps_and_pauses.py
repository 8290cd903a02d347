"""Steps and pauses.

No table that others refer to is rebuilt: SQLite would empty those others with it. So columns are added one by one, with
a default for the rows that exist.
"""

from alembic import op
import sqlalchemy as sa
from app.clock import UtcDateTime
revision = '4c41c9e74759'
down_revision = 'a2261bf60823'
branch_labels = None
depends_on = None

ASKING = sa.text("status = 'requires_action'")


def upgrade() -> None:
    op.add_column('jobs', sa.Column('settled', sa.Text(), nullable=False, server_default=''))
    op.add_column('jobs', sa.Column('steers', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('jobs', sa.Column('action_id', sa.Uuid(), nullable=True))
    op.add_column('jobs', sa.Column('action_expires_at', UtcDateTime(), nullable=True))
    op.create_index('ix_jobs_asking', 'jobs', ['action_expires_at'], sqlite_where=ASKING, postgresql_where=ASKING)

    op.add_column('messages', sa.Column('steers_job_id', sa.Uuid(), nullable=True))
    op.create_index('ix_messages_steers_job_id', 'messages', ['steers_job_id'])

    op.add_column('steps', sa.Column('cached_tokens', sa.Integer(), nullable=True))
    op.add_column('steps', sa.Column('reasoning_tokens', sa.Integer(), nullable=True))
    op.add_column('steps', sa.Column('estimated', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('steps', sa.Column('offered', sa.JSON(none_as_null=True), nullable=True))

    with op.batch_alter_table('tool_calls', schema=None) as batch_op:
        batch_op.add_column(sa.Column('edited', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('attempt', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('idempotent', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('approved', sa.Boolean(), nullable=True))
        batch_op.alter_column('started_at', existing_type=sa.DATETIME(), nullable=True)


def downgrade() -> None:
    op.execute('UPDATE tool_calls SET started_at = completed_at WHERE started_at IS NULL')
    with op.batch_alter_table('tool_calls', schema=None) as batch_op:
        batch_op.drop_column('approved')
        batch_op.drop_column('idempotent')
        batch_op.drop_column('attempt')
        batch_op.drop_column('edited')

    op.drop_column('steps', 'offered')
    op.drop_column('steps', 'estimated')
    op.drop_column('steps', 'reasoning_tokens')
    op.drop_column('steps', 'cached_tokens')

    op.drop_index('ix_messages_steers_job_id', table_name='messages')
    op.drop_column('messages', 'steers_job_id')

    op.drop_index('ix_jobs_asking', table_name='jobs')
    op.drop_column('jobs', 'action_expires_at')
    op.drop_column('jobs', 'action_id')
    op.drop_column('jobs', 'steers')
    op.drop_column('jobs', 'settled')
