{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: credit and statement: how the credits of each account would be used up by today's rating
-- of all its statements, approved or not. Step by step, because what a credit has left depends on
-- every step before; all accounts take their next step together. Where credits pay line by line,
-- what each line of the statement has been paid is kept too.
with recursive

credits as (
    select
        claims.account_id,
        list(credits.amount_minor order by claims.credit_number) as remaining,
        list_resize(cast([] as bigint[]), max(claims.lines), cast(0 as bigint)) as nothing_paid
    from (
        select account_id, credit_id, credit_number, max(line_number) as lines
        from {{ ref('int_credit_claims') }}
        group by all
    ) as claims
    inner join {{ ref('stg_accounts__credits') }} as credits using (credit_id)
    group by claims.account_id
),

steps as (
    select
        account_id,
        cast(0 as bigint) as step,
        cast(null as varchar) as statement_id,
        cast(null as varchar) as credit_id,
        cast(0 as bigint) as applied_minor,
        cast(0 as bigint) as statement_paid,
        remaining,
        nothing_paid as lines_paid,
        nothing_paid
    from credits
    union all
    select
        drawn.account_id,
        drawn.step,
        drawn.statement_id,
        drawn.credit_id,
        drawn.applied_minor,
        drawn.paid_before + drawn.applied_minor as statement_paid,
        {{ replace_in_list(
            'drawn.remaining',
            'drawn.credit_number',
            'drawn.remaining[drawn.credit_number] - drawn.applied_minor'
        ) }} as remaining,
        {{ replace_in_list(
            'drawn.lines_paid_before',
            'drawn.line_number',
            'drawn.lines_paid_before[drawn.line_number] + drawn.applied_minor'
        ) }} as lines_paid,
        drawn.nothing_paid
    from (
        select
            claims.*,
            steps.remaining,
            steps.nothing_paid,
            case
                when steps.statement_id = claims.statement_id then steps.statement_paid
                else cast(0 as bigint)
            end as paid_before,
            case
                when steps.statement_id = claims.statement_id then steps.lines_paid
                else steps.nothing_paid
            end as lines_paid_before,
            cast(greatest(
                0,
                least(
                    steps.remaining[claims.credit_number],
                    claims.payable_minor - paid_before,
                    case
                        when claims.line_number = 0 then claims.payable_minor
                        else claims.line_minor - lines_paid_before[claims.line_number]
                    end
                )
            ) as bigint) as applied_minor
        from steps
        inner join {{ ref('int_credit_claims') }} as claims
            on steps.account_id = claims.account_id and steps.step + 1 = claims.step
    ) as drawn
)

select
    account_id,
    statement_id,
    credit_id,
    cast(sum(applied_minor) as bigint) as applied_minor
from steps
where applied_minor > 0
group by account_id, statement_id, credit_id
