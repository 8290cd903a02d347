"""Scores: what the numbered streams of each reply say.

A column at a time, with a default for the rows that exist: SQLite cannot rebuild a table that others refer to.
"""

from alembic import op
import sqlalchemy as sa
revision = '8d0c5e2b7f41'
down_revision = '4c41c9e74759'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('jobs', sa.Column('score', sa.Text(), nullable=False, server_default=''))
    op.add_column('jobs', sa.Column('lost', sa.Text(), nullable=False, server_default=''))


def downgrade() -> None:
    op.drop_column('jobs', 'lost')
    op.drop_column('jobs', 'score')
