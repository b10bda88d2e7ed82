"""The ledger: what was approved, what was meant to be sent, and what was answered. Append-only."""

from dagster_project.ledger.ledger import Answer, Approval, Intent, Ledger, Line
from dagster_project.ledger.schema import TABLE_NAMES
from dagster_project.ledger.statements import statement_digest

__all__ = [
    "TABLE_NAMES",
    "Answer",
    "Approval",
    "Intent",
    "Ledger",
    "Line",
    "statement_digest",
]
