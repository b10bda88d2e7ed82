"""The bare shapes: the same figures as the models, in the fewest statements DuckDB needs for them.

They know what the models cannot take for granted: no record is odd, one provider, one plan version,
calendar months, and links that never change. So they are what the models are measured against, not
a replacement. What they share with the models are the rules that decide figures: a repeated
delivery counts once, a run without an end stops at its timeout or after 24 hours, and its size is
its template's.

`python -m tests.benchmarks.bare DATABASE LANDING` prints one JSON object with each shape's seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

from tests.benchmarks.landing import CPU_TIERS, MAX_CONCURRENT, MEMORY_PRICES, RAM_PRICE
from tests.benchmarks.measure import peak_mib

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

# Accounts as small numbers: every later step sorts and groups by them.
_ORGS = """
    create table org as
    select row_number() over () as org_i, account_id, match_value as customer
    from read_csv('{landing}/account_links.csv', all_varchar = true)
"""

# One row a delivery; p packs template, size and whether it is an end: one number to sort along.
_EVENTS = """
    create table event as
    select sandbox_id, org_i, at_us, kind, p, timeout_us, delivery, file
    from (
        select
            sandbox_id,
            hash(id) as delivery,
            substring(filename, {prefix}) as file,
            epoch_us("timestamp") as at_us,
            case type
                when 'sandbox.lifecycle.updated' then 2
                when 'sandbox.lifecycle.paused' then 1
                when 'sandbox.lifecycle.killed' then 1
                else 0
            end as kind,
            coalesce(told[2]::bigint, 0) | (coalesce(told[3]::bigint, 0) << 9)
                | (substring(sandbox_template_id, 5)::bigint << 40) as p,
            epoch_us(told[4]::timestamptz) as timeout_us,
            told[1] as customer
        from (
            select sandbox_id, "timestamp", type, sandbox_template_id, id, filename,
                json_extract_string(event_data, [
                    '$.sandbox_metadata.customer', '$.execution.vcpu_count',
                    '$.execution.memory_mb', '$.set_timeout'
                ]) as told
            from read_parquet('{landing}/e2b/**/*.parquet')
        )
    )
    inner join org using (customer)
"""

_INTERVALS = """
    create table iv as
    with paired as (
        select *
        from (
            select sandbox_id, org_i, kind, p, at_us as a,
                lead(at_us) over w as b, lead(kind) over w as next_kind, lead(p) over w as next_p
            from event where kind < 2
            window w as (partition by sandbox_id order by at_us, kind)
        )
        where kind = 0 and (b is null or b > a)
    ),
    sizes as (
        select p >> 40 as template, max(p & 1099511627775) as res
        from event where kind = 1 group by 1
    )
    select org_i, next_p & 1099511627775 as res, a, b, false as inferred
    from paired where next_kind = 1
    union all
    select org_i, res, a, least(a + 24 * {hour}, coalesce(timeout_us, a + 24 * {hour})) as b, true
    from paired
    inner join sizes on p >> 40 = template
    left join (
        select sandbox_id, max(timeout_us) as timeout_us from event where kind = 2 group by 1
    ) as timeouts on paired.sandbox_id = timeouts.sandbox_id and timeout_us > a
        and timeout_us <= a + 24 * {hour}
    where next_kind is null
"""

_HOURS = """
    create table hour as
    select org_i, res, h, sum(us)::bigint as us,
        sum(case when inferred then us else 0 end)::bigint as inferred_us
    from (
        select org_i, res, inferred, a // {hour} as h,
            least(b, (a // {hour} + 1) * {hour}) - a as us
        from iv
        union all
        select org_i, res, inferred, h, least(b, (h + 1) * {hour}) - h * {hour}
        from (
            select *, unnest(range(a // {hour} + 1, (b - 1) // {hour} + 1)) as h
            from iv where b > (a // {hour} + 1) * {hour}
        )
    )
    group by all
"""

# Seconds, core-seconds and GiB-seconds in units of 10^-16, by multiplication alone.
_METERS = """
    create table meter as
    select res, unnest([1, 2, 3]) as meter_i, unnest([
        10000000000::hugeint, (res & 511)::hugeint * 10000000000, (res >> 9)::hugeint * 9765625
    ]) as factor
    from (select distinct res from hour)
"""

_USAGE = """
    create table usage_{grain} as
    select org_i, meter_i, res, {grain},
        cast((us::hugeint * factor)::decimal(38, 0) * 0.0000000000000001::decimal(16, 16)
            as decimal(38, 16)) as quantity,
        cast((inferred_us::hugeint * factor)::decimal(38, 0) * 0.0000000000000001::decimal(16, 16)
            as decimal(38, 16)) as inferred_quantity
    from {rows} inner join meter using (res)
"""

_DAYS = """
    (select org_i, res, h // 24 as day, sum(us)::bigint as us,
        sum(inferred_us)::bigint as inferred_us
     from hour group by all)
"""

# A global sort and a window without partition, which DuckDB streams.
_SWEEP = """
    create table concurrency as
    select org_i, t, nt, lvl, lvl > {limit} as over_limit
    from (
        select org_i, t, sum(d) over (rows unbounded preceding) as lvl, lead(t) over () as nt
        from (
            select org_i, a as t, 1 as d from iv
            union all
            select org_i, b, -1 from iv
            order by 1, 2, 3
        )
    )
    where lvl > 0 and nt > t
"""

# What became of the rows of each file. Deliveries that came again are found by their key alone.
_REPEATED = """
    create table repeated as
    select kind, max(file) as file, count(*) - 1 as times_again
    from event
    semi join (select delivery from event group by delivery having count(*) > 1) using (delivery)
    group by delivery, kind
"""

_DISPOSITIONS = """
    create table disposition as
    select file, disposition, sum(row_count)::bigint as rows
    from (
        select file, if(kind = 2, 'not_billable', 'billed') as disposition, count(*) as row_count
        from event group by all
        union all
        select file, if(kind = 2, 'not_billable', 'billed'), -times_again from repeated
        union all
        select file, 'duplicate', times_again from repeated
    )
    group by all
"""

_PRICES = """
    create table price as
    select * from (values {rows}) as p(meter_i, memory_mib, charge_key, lo, hi, unit_amount)
"""

_CHARGES = """
    create table charge as
    with used as (
        select org_i, month, meter_i, case when meter_i = 1 then res >> 9 end as memory_mib,
            cast(sum((us::hugeint * factor)::decimal(38, 0) * 0.0000000000000001::decimal(16, 16))
                as decimal(38, 12)) as quantity
        from (
            select org_i, res, date_trunc('month', make_timestamp(h * {hour})) as month,
                sum(us)::bigint as us
            from hour group by all
        )
        inner join meter using (res)
        group by all
    )
    select org_i, month, used.meter_i, charge_key, any_value(quantity) as quantity,
        sum(cast((least(quantity, hi) - lo) * unit_amount as decimal(38, 18))) as amount
    from used
    inner join price
        on used.meter_i = price.meter_i
        and (price.memory_mib is null or used.memory_mib = price.memory_mib)
        and quantity > lo
    group by all
"""

_STATEMENTS = """
    create table statement as
    select org_i, month, sum(round(amount, 2)) as subtotal from charge group by all
"""

# What was rated beside what Stripe holds. The landing zone has no Stripe export.
_STRIPE = """
    create table stripe (org_i bigint, month timestamp, meter_i integer, quantity decimal(38, 12))
"""

_RECONCILIATION = """
    create table reconciliation as
    with rated as (
        select org_i, month, meter_i, sum(quantity)::decimal(38, 12) as quantity,
            (sum(round(amount, 2)) * 100)::bigint as amount_minor
        from charge group by all
    )
    select org_i, month, meter_i, coalesce(rated.quantity, 0) as warehouse_quantity,
        coalesce(amount_minor, 0) as warehouse_amount_minor,
        stripe.quantity as stripe_meter_quantity
    from rated full join stripe using (org_i, month, meter_i)
"""


def _price_rows() -> str:
    top = "99999999999999"
    rows = [
        f"(1, {memory}, 'compute_{memory}', 0::decimal(26,12), {top}::decimal(26,12),"
        f" {price}::decimal(18,15))"
        for memory, price in MEMORY_PRICES.items()
    ]
    lower = "0"
    for upper, price in CPU_TIERS:
        rows.append(f"(2, null, 'cpu', {lower}, {upper or top}, {price})")
        lower = upper or top
    rows.append(f"(3, null, 'ram', 0, {top}, {RAM_PRICE})")
    return ", ".join(rows)


def shapes(landing: Path) -> dict[str, list[str]]:
    """The statements of each shape by name, in order; reading starts from the landing zone."""
    names = {
        "landing": str(landing),
        "prefix": len(str(landing)) + 2,
        "hour": HOUR_US,
        "limit": MAX_CONCURRENT,
    }
    return {
        "read and parse": [_ORGS.format(**names), _EVENTS.format(**names)],
        "intervals": [_INTERVALS.format(**names)],
        "hours": [_HOURS.format(**names)],
        "usage": [
            _METERS,
            _USAGE.format(grain="h", rows="hour"),
            _USAGE.format(grain="day", rows=_DAYS),
        ],
        "concurrency": [_SWEEP.format(**names)],
        "charges": [
            _PRICES.format(rows=_price_rows()),
            _CHARGES.format(**names),
            _STATEMENTS,
        ],
        "reconciliation": [_STRIPE, _RECONCILIATION],
        "dispositions": [_REPEATED, _DISPOSITIONS],
        # As a build of the models ends: everything is in the file.
        "checkpoint": ["checkpoint"],
    }


def run(database: Path, landing: Path) -> dict[str, dict[str, float]]:
    """Run every shape in a new database; wall and CPU seconds of each."""
    con = duckdb.connect(str(database))
    con.execute("set TimeZone = 'UTC'")
    con.execute("set memory_limit = '800MB'")
    con.execute("set threads = 2")
    con.execute("set enable_progress_bar = false")
    measured = {}
    for name, statements in shapes(landing).items():
        wall, cpu = time.perf_counter(), time.process_time()
        for statement in statements:
            con.execute(statement)
        measured[name] = {
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
        }
    con.close()
    return measured


if __name__ == "__main__":
    measured = run(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps({"shapes": measured, "peak_mib": peak_mib()}))
