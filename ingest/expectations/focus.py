"""What the provider costs of a load must be like.

None blocks: what a provider charges us is on no bill of a customer.
"""

from __future__ import annotations

from ingest.expectations import Suite, no_rows
from ingest.sources.focus import CORRECTION

MAX_COST = 100_000_000


SUITE = Suite(
    "focus_costs",
    "focus",
    (
        no_rows(
            "focus_provider_is_named",
            False,
            "neither the folder nor the row names the provider: move the file to focus/<provider>/",
            """
            select costs.load_seq, costs.record_number
            from {batch} as costs
            inner join ops.loads as loads using (load_seq)
            where costs.provider_name is null
                and not regexp_matches(loads.file, '^focus/[A-Za-z][^/=]*/')
            """,
        ),
        no_rows(
            "focus_cost_is_plausible",
            False,
            f"a single charge above {MAX_COST} of any currency is in another unit",
            f"""
            select load_seq, record_number from {{batch}}
            where greatest(abs(billed_cost), abs(effective_cost), abs(list_cost)) > {MAX_COST}
            """,
        ),
        no_rows(
            "focus_usage_is_not_negative",
            False,
            "a usage below zero that does not say it is a correction",
            f"""
            select load_seq, record_number from {{batch}}
            where charge_category = 'Usage' and billed_cost < 0
                and charge_class is distinct from '{CORRECTION}'
            """,
        ),
        no_rows(
            "focus_quantity_goes_with_usage",
            False,
            "by the format usage has a consumed quantity with its unit, and nothing else has one",
            f"""
            select load_seq, record_number from {{batch}}
            where case
                when charge_category <> 'Usage' then consumed_quantity is not null
                when charge_class is distinct from '{CORRECTION}'
                    then consumed_quantity is null or consumed_unit is null
            end
            """,
        ),
        no_rows(
            "focus_charge_lies_in_its_billing_period",
            False,
            "a charge outside of the billing period that it names is counted in another month",
            """
            select load_seq, record_number from {batch}
            where charge_period_start < billing_period_start
                or charge_period_end > billing_period_end
            """,
        ),
        no_rows(
            "focus_charge_is_in_one_file",
            False,
            "the same row stands in two files, and both count: take the file that is too much away",
            """
            with standing as (
                select costs.load_seq, costs.record_number, costs.raw
                from {batch} as costs
                inner join ops.loads as loads using (load_seq)
                where loads.is_current
            )
            select load_seq, record_number from standing
            where raw in (
                select raw from standing group by raw having min(load_seq) <> max(load_seq)
            )
            """,
        ),
    ),
)
