"""The landing zone around the events: accounts, their links, one plan, subscriptions for all."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.events import ACCOUNTS

PLAN_START = "2026-06-01T00:00:00Z"
MAX_CONCURRENT = 20
MEMORY_PRICES = {
    1024: "0.000001080246914",
    2048: "0.000002893518519",
    4096: "0.000005787037037",
    8192: "0.000011574074074",
    16384: "0.000023148148148",
}
# Cumulative upper bound (None: no end) and price of a core-second.
CPU_TIERS: tuple[tuple[str | None, str], ...] = (
    ("36000", "0.000014"),
    ("360000", "0.000012"),
    (None, "0.00001"),
)
RAM_PRICE = "0.0000045"


def _price_book() -> str:
    sized = "".join(
        f"""
          - charge_key: compute_{memory}
            meter_id: sandbox_seconds
            where: {{memory_mib: {memory}}}
            stripe_event_name: sandbox_compute_{memory}
            model: standard
            properties: {{unit_amount: "{price}"}}"""
        for memory, price in MEMORY_PRICES.items()
    )
    tiers = "".join(
        f"""
                - {{up_to: {_quoted(up_to)}, unit_amount: "{price}", flat_amount: "0"}}"""
        for up_to, price in CPU_TIERS
    )
    return f"""\
meters:
  - meter_id: sandbox_seconds
    source: compute
    measure: seconds
    unit: second
    stripe_event_name: sandbox_seconds
  - meter_id: sandbox_cpu_core_seconds
    source: compute
    measure: cpu_core_seconds
    unit: core-second
    stripe_event_name: sandbox_cpu_core_seconds
  - meter_id: sandbox_ram_gibi_seconds
    source: compute
    measure: ram_gibi_seconds
    unit: GiB-second
    stripe_event_name: sandbox_ram_gibi_seconds
plans:
  - plan_id: pro
    name: Pro
    versions:
      - valid_from: {PLAN_START}
        currency: usd
        interval: month
        base_amount: "0"
        limits: {{max_concurrent_sandboxes: {MAX_CONCURRENT}}}
        charges:{sized}
          - charge_key: cpu
            meter_id: sandbox_cpu_core_seconds
            model: graduated
            properties:
              tiers:{tiers}
          - charge_key: ram
            meter_id: sandbox_ram_gibi_seconds
            model: standard
            properties: {{unit_amount: "{RAM_PRICE}"}}
"""


def _quoted(number: str | None) -> str:
    return f'"{number}"' if number else "null"


def write_reference_files(landing: Path, accounts_told: int = ACCOUNTS) -> None:
    """Write accounts.csv, account_links.csv, subscriptions.csv and pricebook/ of the benchmark.

    accounts_told: how many accounts, each with its link and its subscription.
    """
    (landing / "pricebook").mkdir(parents=True, exist_ok=True)
    (landing / "pricebook" / "plans.yaml").write_text(_price_book())
    accounts = ["account_id,name,stripe_customer_id,currency,timezone,email"]
    links = ["provider,match_key,match_value,account_id,valid_from,valid_to"]
    subscriptions = [
        "subscription_id,account_id,plan_id,started_at,ended_at,billing_anchor,spending_cap,on_demand"
    ]
    for number in range(1, accounts_told + 1):
        accounts.append(f"acct-{number},Org {number},cus_{number},usd,UTC,")
        links.append(f"e2b,metadata:customer,org-{number},acct-{number},,")
        subscriptions.append(f"sub-{number},acct-{number},pro,{PLAN_START},,,,true")
    for name, lines in (
        ("accounts.csv", accounts),
        ("account_links.csv", links),
        ("subscriptions.csv", subscriptions),
    ):
        (landing / name).write_text("\n".join(lines) + "\n")
