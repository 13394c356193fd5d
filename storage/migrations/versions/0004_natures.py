"""What notices and events are: their natures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    for table in ("notices", "events"):
        for column in ("nature", "nature_field"):
            op.add_column(table, sa.Column(column, TEXT))
