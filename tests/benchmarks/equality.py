"""Whether the bare shapes and the marts say the same, row by row and to the last digit."""

from __future__ import annotations

from pathlib import Path

import duckdb

_METERS = "['sandbox_seconds', 'sandbox_cpu_core_seconds', 'sandbox_ram_gibi_seconds']"

# Both sides of each comparison, as queries of the same columns. `bare` and `product` are databases.
_SIDES = {
    "intervals": (
        """
        select account_id, (res & 511)::decimal(18, 6) as vcpu, res >> 9 as memory_mib,
            make_timestamptz(a) as started_at, make_timestamptz(b) as ended_at, inferred
        from bare.iv inner join bare.org using (org_i)
        """,
        """
        select account_id, vcpu, memory_mib, started_at, ended_at, evidence <> 'observed'
        from product.marts.fct_compute_intervals
        """,
    ),
    "hourly usage": (
        """
        select account_id, meter_id, dimensions, make_timestamptz(h * 3600000000) as usage_hour,
            quantity, inferred_quantity
        from bare.usage_h inner join bare.org using (org_i) inner join named using (res, meter_i)
        """,
        """
        select account_id, meter_id, dimensions, usage_hour, quantity, inferred_quantity
        from product.marts.fct_usage_hourly
        """,
    ),
    "daily usage": (
        """
        select account_id, meter_id, dimensions, date '1970-01-01' + day::integer as usage_date,
            quantity, inferred_quantity
        from bare.usage_day inner join bare.org using (org_i) inner join named using (res, meter_i)
        """,
        """
        select account_id, meter_id, dimensions, usage_date, quantity, inferred_quantity
        from product.marts.fct_usage_daily
        """,
    ),
    # The mart cuts its stretches at midnight and joins equal ones: what they add up to is compared.
    "concurrency": (
        """
        select account_id, max(lvl)::integer as peak, sum(lvl * (nt - t))::hugeint as running_us,
            sum(case when over_limit then nt - t else 0 end)::hugeint as over_us
        from bare.concurrency inner join bare.org using (org_i) group by account_id
        """,
        """
        with lasting as (
            select *, epoch_us(ended_at) - epoch_us(started_at) as us
            from product.marts.fct_concurrency
        )
        select account_id, max(running_sandboxes), sum(running_sandboxes * us)::hugeint,
            sum(case when over_limit then us else 0 end)::hugeint
        from lasting group by account_id
        """,
    ),
    "charges": (
        """
        select account_id, month::timestamptz as period_start, charge_key, quantity, amount
        from bare.charge inner join bare.org using (org_i) where quantity <> 0
        """,
        """
        select account_id, period_start, charge_key, quantity, amount
        from product.marts.fct_charges where quantity <> 0
        """,
    ),
    "statements": (
        """
        select account_id, month::timestamptz as period_start,
            (subtotal * 100)::bigint as subtotal_minor
        from bare.statement inner join bare.org using (org_i) where subtotal <> 0
        """,
        """
        select account_id, period_start, subtotal_minor
        from product.marts.fct_statements where subtotal_minor <> 0
        """,
    ),
    "reconciliation": (
        f"""
        select account_id, {_METERS}[meter_i] as meter_id, month::timestamptz as period_start,
            warehouse_quantity, warehouse_amount_minor, stripe_meter_quantity
        from bare.reconciliation inner join bare.org using (org_i)
        """,
        """
        select account_id, meter_id, period_start,
            warehouse_quantity, warehouse_amount_minor, stripe_meter_quantity
        from product.marts.fct_reconciliation
        """,
    ),
    "dispositions": (
        "select file, disposition, rows from bare.disposition",
        """
        select file, disposition, rows
        from product.marts.fct_row_dispositions where source = 'e2b'
        """,
    ),
}

_NAMED = f"""
    create temp table named as
    select res, meter_i, {_METERS}[meter_i] as meter_id,
        '{{"memory_mib":' || (res >> 9) || ',"provider":"e2b","vcpu":' || (res & 511) || '}}'
            as dimensions
    from bare.meter
"""


def compare(bare: Path, marts: Path) -> dict[str, tuple[int, int]]:
    """Rows compared and rows that only one side has, by what was compared; equal is (n, 0)."""
    found = {}
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"attach '{bare}' as bare (read_only)")
        con.execute(f"attach '{marts}' as product (read_only)")
        con.execute(_NAMED)
        for name, (ours, theirs) in _SIDES.items():
            counts = con.execute(
                f"""
                with ours as ({ours}), theirs as ({theirs})
                select
                    (select count(*) from theirs),
                    (select count(*) from (from ours except all from theirs))
                    + (select count(*) from (from theirs except all from ours))
                """
            ).fetchall()[0]
            found[name] = (int(counts[0]), int(counts[1]))
    return found
