"""A landing zone in which rating is nearly all there is to do: one record for each charge."""

from __future__ import annotations

from pathlib import Path

import duckdb

PLAN_START = "2026-08-01T00:00:00Z"
# Four charges a statement: model and properties, each on a meter of its own.
CHARGES = {
    "requests": ("standard", '{unit_amount: "0.0021"}'),
    "pages": ("standard", '{unit_amount: "0.013"}'),
    "tokens": (
        "graduated",
        '{tiers: [{up_to: "100", unit_amount: "0.02", flat_amount: "0"},'
        ' {up_to: "500", unit_amount: "0.015", flat_amount: "1"},'
        ' {up_to: null, unit_amount: "0.01", flat_amount: "0"}]}',
    ),
    "images": (
        "volume",
        '{tiers: [{up_to: "200", unit_amount: "0.5", flat_amount: "0"},'
        ' {up_to: null, unit_amount: "0.4", flat_amount: "0"}]}',
    ),
}


def write_rating_zone(landing: Path, charges: int) -> int:
    """Write accounts that come to `charges` charges of August; returns how many charges it is."""
    accounts = charges // len(CHARGES)
    (landing / "pricebook").mkdir(parents=True)
    (landing / "quantities").mkdir()
    (landing / "pricebook" / "plans.yaml").write_text(_price_book())
    names = [f"acct-{number}" for number in range(accounts)]
    (landing / "accounts.csv").write_text(
        "account_id,name,stripe_customer_id,currency,timezone,email\n"
        + "".join(f"{name},{name},cus-{name},usd,UTC,\n" for name in names)
    )
    (landing / "subscriptions.csv").write_text(
        "subscription_id,account_id,plan_id,started_at,ended_at,billing_anchor,spending_cap,"
        "on_demand\n" + "".join(f"sub-{name},{name},many,{PLAN_START},,,,\n" for name in names)
    )
    meters = ", ".join(f"'{meter}'" for meter in CHARGES)
    with duckdb.connect() as con:
        con.execute(
            f"""
            copy (
                select meter_id || '-' || number as record_id, 'acct-' || number as account_ref,
                       meter_id, (number * 7919 % 1000 + 1)::varchar as quantity,
                       '2026-08-03T10:00:00Z' as started_at, '2026-08-03T11:00:00Z' as ended_at
                from range({accounts}) as numbers(number)
                cross join (select unnest([{meters}]) as meter_id)
            ) to '{landing}/quantities/august.parquet' (format parquet)
            """
        )
    return accounts * len(CHARGES)


def _price_book() -> str:
    meters = "".join(
        f"  - {{meter_id: {name}, source: quantities, unit: unit}}\n" for name in CHARGES
    )
    charges = "".join(
        f"          - charge_key: {name}\n"
        f"            meter_id: {name}\n"
        f"            model: {model}\n"
        f"            properties: {terms}\n"
        for name, (model, terms) in CHARGES.items()
    )
    return f"""\
meters:
{meters}
plans:
  - plan_id: many
    name: Many
    versions:
      - valid_from: {PLAN_START}
        currency: usd
        interval: month
        base_amount: "0"
        minimum_amount: "20.00"
        charges:
{charges}"""
