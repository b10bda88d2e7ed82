{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: credit and statement that is not approved. Approved uses stay as they are; where today's
-- rating would have drawn a credit differently on an approved statement, the difference is drawn
-- (or given back, below zero) on the statement that takes its corrections. Differences drawn by
-- earlier corrections cancel out, because they are part of what those statements had approved.
with

approved as (
    select approval_id, statement_id
    from {{ ref('stg_ledger__approvals') }}
    {{ semi_join_touched_accounts() }}
),

approved_uses as (
    select credits.credit_id, credits.statement_id, credits.applied_minor
    from {{ ref('stg_ledger__credits') }} as credits
    semi join approved using (approval_id)
),

drawn as (
    select *
    from {{ ref('int_credits_drawn') }}
    {{ semi_join_touched_accounts() }}
),

own as (
    select drawn.credit_id, drawn.statement_id, drawn.applied_minor
    from drawn
    anti join approved using (statement_id)
),

differences as (
    select drawn.credit_id, drawn.statement_id as corrected_statement_id, drawn.applied_minor
    from drawn
    semi join approved using (statement_id)
    union all
    select credit_id, statement_id as corrected_statement_id, -applied_minor as applied_minor
    from approved_uses
),

uses as (
    select * from own
    union all
    select differences.credit_id, placed.statement_id, differences.applied_minor
    from differences
    inner join {{ ref('int_corrections_placed') }} as placed using (corrected_statement_id)
),

summed as (
    select credit_id, statement_id, cast(sum(applied_minor) as bigint) as applied_minor
    from uses
    group by all
    having sum(applied_minor) <> 0
),

frozen as (
    select credit_id, cast(sum(applied_minor) as bigint) as applied_minor
    from approved_uses
    group by credit_id
)

-- What is given back comes before what is drawn, so that no step leaves less than nothing.
select
    summed.credit_id,
    summed.statement_id,
    periods.account_id,
    summed.applied_minor,
    cast(
        coalesce(credits.amount_minor, 0)
        - coalesce(frozen.applied_minor, 0)
        - sum(summed.applied_minor)
            over (
                partition by summed.credit_id
                order by summed.applied_minor > 0, periods.period_end, summed.statement_id
                rows between unbounded preceding and current row
            )
        as bigint
    ) as remaining_minor
from summed
inner join {{ ref('int_statement_periods') }} as periods using (statement_id)
left join {{ ref('stg_accounts__credits') }} as credits using (credit_id)
left join frozen using (credit_id)
