"""Tables of the ledger.

Exact amounts and quantities are TEXT in fixed-point notation (no database rounds them), billed
amounts BIGINT minor units, times TEXT in UTC with microseconds (`2026-09-01T00:00:00.000000Z`,
which sorts as it reads). Rows are only ever added; SQLite refuses anything else by trigger.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Connection

SCHEMA_VERSION = 1

metadata = MetaData()

approvals = Table(
    "approvals",
    metadata,
    Column("approval_id", Text, primary_key=True),
    Column("statement_id", Text, nullable=False, unique=True),
    Column("account_id", Text, nullable=False),
    Column("subscription_id", Text),
    Column("period", Text, nullable=False),
    Column("period_start", Text, nullable=False),
    Column("period_end", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("subtotal_minor", BigInteger, nullable=False),
    Column("credits_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", Text, nullable=False),
    Column("note", Text),
    Column("stripe_customer_id", Text),
)

lines = Table(
    "lines",
    metadata,
    Column("approval_id", Text, ForeignKey("approvals.approval_id"), primary_key=True),
    Column("charge_id", Text, primary_key=True),
    Column("statement_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("subscription_id", Text),
    Column("plan_id", Text),
    Column("plan_version", Text),
    Column("charge_key", Text),
    Column("meter_id", Text),
    Column("period_start", Text, nullable=False),
    Column("period_end", Text, nullable=False),
    Column("charge_class", Text, nullable=False),
    Column("quantity", Text),
    Column("amount", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("corrects_charge_id", Text),
    Column("stripe_event_name", Text),
)

tiers = Table(
    "tiers",
    metadata,
    Column("approval_id", Text, ForeignKey("approvals.approval_id"), primary_key=True),
    Column("charge_id", Text, primary_key=True),
    Column("tier_index", Integer, primary_key=True),
    Column("quantity", Text),
    Column("unit_amount", Text),
    Column("flat_amount", Text),
    Column("amount", Text, nullable=False),
)

credits = Table(
    "credits",
    metadata,
    Column("approval_id", Text, ForeignKey("approvals.approval_id"), primary_key=True),
    Column("credit_id", Text, primary_key=True),
    Column("statement_id", Text, nullable=False),
    Column("applied_minor", BigInteger, nullable=False),
    Column("remaining_minor", BigInteger),
)

# One row is one meter event as it will be sent, frozen before the first byte leaves: every attempt
# sends exactly this. `identifier` is a function of all that the event says.
intents = Table(
    "intents",
    metadata,
    Column("intent_id", Text, primary_key=True),
    Column("approval_id", Text, ForeignKey("approvals.approval_id"), nullable=False),
    Column("statement_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("meter_id", Text),
    Column("stripe_event_name", Text, nullable=False),
    Column("stripe_customer_id", Text, nullable=False),
    Column("period_start", Text, nullable=False),
    Column("period_end", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("event_timestamp", BigInteger, nullable=False),
    Column("identifier", Text, nullable=False, unique=True),
    Column("idempotency_key", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
)

# `step` numbers the answers of one intent: two processes that both believe they may send the same
# event collide on it, whatever database holds the ledger.
# `rejected` means known not to have been taken; whatever may have been taken is `indeterminate`.
answers = Table(
    "answers",
    metadata,
    Column("answer_id", Integer, primary_key=True, autoincrement=True),
    Column("intent_id", Text, ForeignKey("intents.intent_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("http_status", Integer),
    Column("request_id", Text),
    Column("message", Text),
    Column("step", Integer, nullable=False),
    Column("idempotency_key", Text),
    CheckConstraint(
        "state in ('sending', 'accepted', 'duplicate', 'rejected', 'indeterminate')",
        name="answers_state",
    ),
    UniqueConstraint("intent_id", "step", name="answers_intent_step"),
    sqlite_autoincrement=True,
)

TABLE_NAMES: tuple[str, ...] = tuple(metadata.tables)


def create(connection: Connection) -> None:
    """Create whatever is missing, inside the caller's transaction. Harmless when repeated."""
    metadata.create_all(connection, checkfirst=True)
    if connection.dialect.name != "sqlite":
        return
    for name in TABLE_NAMES:
        for action in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {name}_refuse_{action.lower()} "
                f"BEFORE {action} ON {name} BEGIN "
                f"SELECT RAISE(ABORT, 'the ledger is append-only: no {action} on {name}'); END"
            )
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
