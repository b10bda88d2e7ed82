{{ config(materialized='table') }}
-- Grain: account and step: one credit that may pay part of one statement, in the order in which it
-- is its turn. As Stripe does: a credit pays for metered usage after discounts, never for base fees
-- or true-ups; of its own currency and, if it names one, its meter; if the period's end lies within
-- its life. Credits in order of priority, earliest expiry, promotional first, earliest effective,
-- id; statements in order of their period's end.
with

credits as (
    select
        credit_id,
        account_id,
        amount_minor,
        currency,
        meter_id,
        effective_at,
        expires_at,
        row_number() over (
            partition by account_id
            order by
                priority asc,
                expires_at asc nulls last,
                category = 'promotional' desc,
                effective_at nulls first,
                credit_id asc
        ) as turn
    from {{ ref('stg_accounts__credits') }}
),

lines as (
    select lines.*
    from {{ ref('int_lines_rated') }} as lines
    {{ semi_join_touched_accounts() }}
    semi join credits using (account_id)
    where lines.charge_class in ('usage', 'discount', 'included', 'maximum_cap')
),

statements as (
    select
        account_id,
        statement_id,
        period_end,
        currency,
        cast(sum(amount_minor) as bigint) as payable_minor
    from lines
    group by all
    having sum(amount_minor) > 0
),

meters as (
    select statement_id, meter_id, cast(sum(amount_minor) as bigint) as meter_minor
    from lines
    where meter_id is not null
    group by all
)

select
    statements.account_id,
    row_number() over (
        partition by statements.account_id
        order by statements.period_end, statements.statement_id, credits.turn
    ) as step,
    statements.statement_id,
    statements.payable_minor,
    credits.credit_id,
    dense_rank() over (partition by statements.account_id order by credits.turn) as credit_number,
    case
        when credits.meter_id is null then 0
        else dense_rank() over (
                partition by statements.account_id, credits.meter_id is null
                order by credits.meter_id
            )
    end as meter_number,
    meters.meter_minor
from statements
inner join credits
    on statements.account_id = credits.account_id
    and statements.currency = credits.currency
    and statements.period_end >= coalesce(credits.effective_at, statements.period_end)
    and (credits.expires_at is null or statements.period_end < credits.expires_at)
left join meters
    on statements.statement_id = meters.statement_id and credits.meter_id = meters.meter_id
where credits.meter_id is null or meters.meter_minor > 0
