"""A push in a process of its own, to be killed: arguments are home, moment, address."""

import sys
from datetime import datetime
from pathlib import Path

from dagster_project.ledger import Ledger
from dagster_project.stripe.client import stripe_client
from dagster_project.stripe.push import push


def main(home: str, now: str, address: str) -> int:
    """Push everything; prints the result's first line; 1 when incomplete."""
    client = stripe_client({"STRIPE_SECRET_KEY": "sk_test_local", "STRIPE_API_BASE": address})
    ledger = Ledger(f"sqlite:///{home}/ledger.sqlite")
    result = push(
        ledger,
        client,
        datetime.fromisoformat(now),
        home=Path(home),
        create_meters=True,
        calls_per_second=1000,
    )
    print(result.lines()[0])
    return 0 if result.complete else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
