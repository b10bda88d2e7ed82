{{ config(materialized='ephemeral') }}
-- Grain: billing period that may be billed in several parts (DECISIONS D62): one with a plan version that has a
-- threshold, or one that begins with an approved statement which ends before it does. Approved statements that
-- follow each other from its start are its first parts, whatever the price book says today; a cut is looked
-- for after counted_from only. Only of the accounts that this build rates again.
with

versions as (
    select plan_id, plan_version
    from {{ ref('int_price_versions') }}
    where threshold_amount is not null
),

approvals as (
    select statement_id, subscription_id, period_start, period_end
    from {{ ref('stg_ledger__approvals') }}
),

with_threshold as (
    select distinct statement_id
    from {{ ref('int_billing_segments') }}
    {{ semi_join_touched_accounts() }}
    semi join versions using (plan_id, plan_version)
),

periods as (
    select
        periods.statement_id,
        periods.account_id,
        periods.subscription_id,
        periods.period_start,
        periods.period_end,
        with_threshold.statement_id is not null as has_threshold
    from {{ ref('int_billing_periods') }} as periods
    {{ semi_join_touched_accounts() }}
    left join with_threshold using (statement_id)
    left join approvals using (statement_id)
    where with_threshold.statement_id is not null or approvals.period_end < periods.period_end
),

-- Usage is rated by the hour, so an approved statement that ends within one can be no part.
approved as (
    select
        periods.statement_id,
        approvals.period_end as approved_until,
        approvals.period_end < periods.period_end as is_cut,
        approvals.period_start = coalesce(lag(approvals.period_end) over in_order, periods.period_start)
        and (
            approvals.period_end = periods.period_end
            or date_trunc('hour', approvals.period_end) = approvals.period_end
        ) as is_next
    from periods
    inner join approvals
        on periods.subscription_id = approvals.subscription_id
        and periods.period_start <= approvals.period_start
        and periods.period_end >= approvals.period_end
    window in_order as (partition by periods.statement_id order by approvals.period_start)
),

parts as (
    select
        *,
        bool_and(is_next) over (partition by statement_id order by approved_until) as is_part
    from approved
),

approved_parts as (
    select
        statement_id,
        max(approved_until) as approved_until,
        list(approved_until order by approved_until) filter (where is_cut) as approved_cuts
    from parts
    where is_part
    group by statement_id
),

begun as (
    select
        periods.*,
        coalesce(approved_parts.approved_until, periods.period_start) as approved_until,
        coalesce(approved_parts.approved_cuts, []) as approved_cuts
    from periods
    left join approved_parts using (statement_id)
),

-- What is approved from there on and ends elsewhere was billed before the periods were these.
searched as (
    select begun.statement_id
    from begun
    anti join approvals
        on begun.subscription_id = approvals.subscription_id
        and begun.approved_until = approvals.period_start
    where begun.has_threshold and begun.approved_until < begun.period_end
)

select
    begun.statement_id,
    begun.account_id,
    begun.subscription_id,
    begun.period_start,
    begun.period_end,
    begun.approved_cuts,
    case when searched.statement_id is null then begun.period_end else begun.approved_until end as counted_from
from begun
left join searched using (statement_id)
where searched.statement_id is not null or len(begun.approved_cuts) > 0
