"""The reference tables of the landing zone: accounts, links, subscriptions and credits."""

from __future__ import annotations

from data.generator.clock import rfc3339
from data.generator.company import Company
from data.generator.landing import Landing


def _when(at: int | None) -> str:
    return "" if at is None else rfc3339(at)


def write_reference(company: Company, landing: Landing) -> None:
    """Write accounts.csv, account_links.csv, subscriptions.csv and credits.csv."""
    landing.add_csv(
        "accounts.csv",
        ["account_id", "name", "stripe_customer_id", "currency", "timezone", "email"],
        [
            [a.account_id, a.name, a.stripe_customer_id, a.currency, a.zone, a.email]
            for a in company.accounts
        ],
    )
    landing.add_csv(
        "account_links.csv",
        ["provider", "match_key", "match_value", "account_id", "valid_from", "valid_to"],
        [
            [
                k.provider,
                k.match_key,
                k.match_value,
                k.account_id,
                _when(k.valid_from),
                _when(k.valid_to),
            ]
            for k in company.links
        ],
    )
    landing.add_csv(
        "subscriptions.csv",
        [
            "subscription_id",
            "account_id",
            "plan_id",
            "started_at",
            "ended_at",
            "billing_anchor",
            "spending_cap",
            "on_demand",
        ],
        [
            [
                s.subscription_id,
                s.account_id,
                s.plan_id,
                _when(s.started_at),
                _when(s.ended_at),
                _when(s.anchor),
                s.spending_cap,
                "true" if s.on_demand else "false",
            ]
            for s in company.subscriptions
        ],
    )
    landing.add_csv(
        "credits.csv",
        [
            "credit_id",
            "account_id",
            "amount",
            "currency",
            "category",
            "priority",
            "effective_at",
            "expires_at",
            "meter_id",
        ],
        [
            [
                c.credit_id,
                c.account_id,
                c.amount,
                c.currency,
                c.category,
                str(c.priority),
                _when(c.effective_at),
                _when(c.expires_at),
                "",
            ]
            for c in company.credits
        ],
    )
