"""A published marts file made by hand, and a warehouse to publish from."""

from pathlib import Path

import duckdb

_MARTS = """
create table {s}.dim_accounts as
    select * from (values
        ('acct_a', 'A', null, 'usd', 'UTC'), ('=acct_b', 'B', 'cus_b', 'usd', 'UTC')
    ) as t(account_id, name, stripe_customer_id, currency, timezone);
create table {s}.fct_usage_daily as
    select account_id, meter_id, dimensions, usage_date::date as usage_date,
           quantity::decimal(38, 16) as quantity, 0::decimal(38, 16) as inferred_quantity
    from (values
        ('acct_a', 'requests', '{{}}', '2026-08-01', '2.5'),
        ('=acct_b', 'requests', '{{"region":"eu"}}', '2026-08-01', '1'),
        ('acct_a', 'requests', '{{}}', '2026-08-02', '3'),
        ('acct_a', 'requests', '{{}}', '2026-08-03', '4')
    ) as t(account_id, meter_id, dimensions, usage_date, quantity);
create table {s}.fct_statements as
    select 'st_1' as statement_id, 'acct_a' as account_id, 'closed' as status, '2026-08' as period;
create table {s}.fct_charges as
    select 'ch_1' as charge_id, 'st_1' as statement_id, 'acct_a' as account_id,
           'sub_1' as subscription_id, 'pro' as plan_id, '2026-01-01T00:00:00Z' as plan_version,
           'requests' as charge_key, 'requests' as meter_id,
           timestamptz '2026-08-01 00:00:00+00' as period_start,
           timestamptz '2026-09-01 00:00:00+00' as period_end, 'usage' as charge_class,
           9.5::decimal(38, 12) as quantity, 4.75::decimal(38, 18) as amount,
           475::bigint as amount_minor, 'usd' as currency, null::varchar as corrects_charge_id;
"""


def write_marts(path: Path) -> Path:
    """Write a marts file as a publication would."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute(f"attach '{path}' as made")
    con.execute("create schema made.marts")
    con.execute("create schema made.ops")
    con.execute(_MARTS.format(s="made.marts"))
    con.execute(
        """
        create table made.ops.build as
        select 1 as build_seq, 'run-1' as run_id,
               timestamptz '2026-08-02 12:00:00+00' as as_of, 'abc' as pricebook_digest
        """
    )
    con.close()
    return path


def write_warehouse(path: Path, *, quantity: str = "2.5", extra_rows: int = 0) -> Path:
    """Write a warehouse with a mart and the ops tables that are published with it."""
    path.unlink(missing_ok=True)
    con = duckdb.connect(str(path))
    con.execute("set TimeZone = 'UTC'")
    con.execute("create schema marts")
    con.execute("create schema ops")
    con.execute(
        f"""
        create table marts.fct_numbers as
        select 'n' || range as id, {quantity}::decimal(38, 16) as quantity, 7::hugeint as large
        from range({2 + extra_rows});
        comment on column marts.fct_numbers.quantity is 'It''s exact.';
        create table marts.fct_row_dispositions as
        select 'e2b' as source, 'a.json' as file, 'billed' as disposition, 1 as rows;
        create table ops.loads as
        select 1 as load_seq, 'e2b' as source, now() as loaded_at;
        create table ops.quarantine as select 1 as load_seq, 'e2b' as source where false;
        create table ops.approvals as select 'ap' as approval_id where false;
        create table ops.pushes as select 'in' as intent_id where false;
        create table ops.check_results as
        select 'r' as run_id, 'c' as check_name, true as passed, now() as checked_at;
        """
    )
    con.close()
    return path
