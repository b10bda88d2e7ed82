{{ config(materialized='table') }}
-- Grain: account and step: one credit that may pay part of one statement, in the order in which it
-- is its turn. As Stripe does: a credit pays for metered usage after discounts, never for base fees
-- or true-ups; of its own currency and, if it names one, its meter; if the period's end lies within
-- its life. Credits in order of priority, earliest expiry, promotional first, earliest effective,
-- id; statements in order of their period's end. Where one that names a meter has its turn, all pay
-- line by line, because what an earlier one took of a line is gone for a later one (DECISIONS D52).
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

charges as (
    select
        statement_id,
        plan_id,
        plan_version,
        charge_key,
        meter_id,
        cast(sum(amount_minor) as bigint) as line_minor
    from lines
    where meter_id is not null
    group by all
    having sum(amount_minor) > 0
),

in_line_order as (
    select
        charges.statement_id,
        charges.meter_id,
        charges.line_minor,
        row_number() over (
            partition by charges.statement_id
            order by charges.plan_version, prices.charge_order nulls last, charges.charge_key
        ) as line_number
    from charges
    left join {{ ref('int_price_charges') }} as prices using (plan_id, plan_version, charge_key)
),

claims as (
    select
        statements.*,
        credits.credit_id,
        credits.meter_id,
        credits.turn,
        bool_or(credits.meter_id is not null) over (partition by statements.statement_id)
            as is_by_line
    from statements
    inner join credits
        on statements.account_id = credits.account_id
        and statements.currency = credits.currency
        and statements.period_end >= coalesce(credits.effective_at, statements.period_end)
        and (credits.expires_at is null or statements.period_end < credits.expires_at)
)

select
    claims.account_id,
    row_number() over (
        partition by claims.account_id
        order by claims.period_end, claims.statement_id, claims.turn, in_line_order.line_number
    ) as step,
    claims.statement_id,
    claims.payable_minor,
    claims.credit_id,
    dense_rank() over (partition by claims.account_id order by claims.turn) as credit_number,
    coalesce(in_line_order.line_number, 0) as line_number,
    in_line_order.line_minor
from claims
left join in_line_order
    on claims.is_by_line
    and claims.statement_id = in_line_order.statement_id
    and (claims.meter_id is null or claims.meter_id = in_line_order.meter_id)
where not claims.is_by_line or in_line_order.line_number is not null
