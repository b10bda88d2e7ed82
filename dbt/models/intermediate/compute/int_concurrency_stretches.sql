{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_account_days'), ['account_id', 'usage_date']) }}"
) }}
-- Grain: account and stretch of time with a constant number of running sandboxes, more than none; cut
-- at UTC midnight, so that a day can be made again alone. A stopped sandbox with a disk is none.
-- One sort, then windows without partition or order, which DuckDB streams: every +1 has its -1 inside
-- the same account, so the running sum is 0 at each change of account. That the sort's order reaches
-- the windows is watched by assert_concurrency_adds_up_to_usage. Accounts are sorted by a number, which takes
-- half the time of sorting them by their ids.
-- depends_on: {{ ref('int_touched_account_days') }}
{%- set day_us = 86400000000 %}
{%- set every_account = ref('int_touched_account_days') if is_incremental() else ref('int_compute_intervals_counted') %}
with

accounts as materialized (
    select
        account_id,
        cast(row_number() over () as integer) as account_number
    from (select distinct account_id from {{ every_account }}) as every_account
),

{% if is_incremental() -%}
pieces as (
    select
        accounts.account_number,
        greatest(epoch_us(intervals.started_at), epoch_us(cast(touched.usage_date as timestamptz))) as a,
        least(epoch_us(intervals.ended_at), epoch_us(cast(touched.usage_date as timestamptz)) + {{ day_us }}) as b
    from {{ ref('int_compute_intervals_counted') }} as intervals
    inner join {{ ref('int_touched_account_days') }} as touched
        on intervals.account_id = touched.account_id
        and intervals.started_at < cast(touched.usage_date as timestamptz) + interval 1 day
        and intervals.ended_at > cast(touched.usage_date as timestamptz)
    inner join accounts on intervals.account_id = accounts.account_id
    where intervals.us > 0 and {{ is_running('intervals') }}
),
{%- else -%}
intervals as (
    select accounts.account_number, epoch_us(intervals.started_at) as a, epoch_us(intervals.ended_at) as b
    from {{ ref('int_compute_intervals_counted') }} as intervals
    inner join accounts using (account_id)
    where intervals.us > 0 and {{ is_running('intervals') }}
),

pieces as (
    select account_number, a, least(b, (a // {{ day_us }} + 1) * {{ day_us }}) as b
    from intervals
    union all
    select account_number, day_number * {{ day_us }} as a, least(b, (day_number + 1) * {{ day_us }}) as b
    from (
        select *, unnest(range(a // {{ day_us }} + 1, (b - 1) // {{ day_us }} + 1)) as day_number
        from intervals
        where b > (a // {{ day_us }} + 1) * {{ day_us }}
    ) as crossings
),
{%- endif %}

-- The last row, of no account, lets the real last stretch see its end.
points as (
    select account_number, at_us, change
    from (
        select account_number, a as at_us, 1 as change from pieces
        union all
        select account_number, b as at_us, -1 as change from pieces
        union all
        select cast(null as integer) as account_number, 0 as at_us, 0 as change
    ) as every_point
    order by account_number nulls last, at_us, change
),

levels as (
    select
        account_number,
        at_us,
        sum(change) over (rows unbounded preceding) as level,  -- noqa: PRS
        lead(at_us) over () as next_at_us,
        lead(account_number) over () as next_account_number
    from points
),

lasting as (
    select
        account_number,
        at_us,
        level,
        lag(account_number) over () as previous_account_number,
        lag(level) over () as previous_level,
        lag(next_at_us) over () as previous_end_us
    from levels
    where account_number is null or (next_account_number = account_number and next_at_us > at_us and level > 0)
),

-- Where one sandbox ends in the instant another begins, the count does not change: one stretch.
stretches as (
    select
        account_number,
        at_us,
        level,
        lead(previous_end_us) over () as end_us
    from lasting
    where
        previous_account_number is distinct from account_number
        or previous_level <> level
        or previous_end_us <> at_us
        or at_us % {{ day_us }} = 0
)

select
    accounts.account_id,
    make_timestamptz(at_us) as started_at,
    make_timestamptz(end_us) as ended_at,
    cast(level as integer) as running_sandboxes,
    date '1970-01-01' + cast(at_us // {{ day_us }} as integer) as usage_date
from stretches
inner join accounts using (account_number)
