{{ config(materialized='view') }}
-- Grain: credit; key credit_id. What became of the money that was granted: granted_minor is always
-- applied_minor plus expired_minor plus remaining_minor. What no statement had used when the credit
-- expired is lost to the customer (breakage); what becomes known later may still move it, because
-- the credit pays for every period that ended in its life (DECISIONS D52).
with

credits as (
    select * from {{ ref('stg_accounts__credits') }}
),

uses as (
    select
        burndown.credit_id,
        min(burndown.account_id) as account_id,
        min(statements.currency) as currency,
        cast(sum(burndown.applied_minor) as bigint) as applied_minor,
        cast(-sum(least(burndown.applied_minor, 0)) as bigint) as given_back_minor
    from {{ ref('fct_credit_burndown') }} as burndown
    inner join {{ ref('fct_statements') }} as statements using (statement_id)
    group by burndown.credit_id
),

statement_currencies as (
    select account_id, list(distinct currency) as currencies
    from {{ ref('fct_statements') }}
    group by account_id
),

-- A credit that was taken out of credits.csv after it had been used has its uses and no grant.
joined as (
    select
        credit_id,
        coalesce(credits.account_id, uses.account_id) as account_id,
        coalesce(credits.currency, uses.currency) as currency,
        credits.category,
        credits.priority,
        credits.meter_id,
        credits.effective_at,
        credits.expires_at,
        coalesce(credits.amount_minor, 0) as granted_minor,
        coalesce(uses.applied_minor, 0) as applied_minor,
        coalesce(uses.given_back_minor, 0) as given_back_minor,
        coalesce(credits.expires_at <= {{ as_of() }}, false) as is_expired,
        credits.credit_id is null as is_withdrawn
    from credits
    full join uses using (credit_id)
)

select
    joined.credit_id,
    joined.account_id,
    joined.currency,
    joined.category,
    joined.priority,
    joined.meter_id,
    joined.effective_at,
    joined.expires_at,
    joined.granted_minor,
    joined.applied_minor,
    joined.given_back_minor,
    case when joined.is_expired then joined.granted_minor - joined.applied_minor else 0 end
        as expired_minor,
    case when joined.is_expired then joined.expires_at end as expired_at,
    case when joined.is_expired then 0 else joined.granted_minor - joined.applied_minor end
        as remaining_minor,
    case
        when joined.is_withdrawn then 'credit_withdrawn'
        when accounts.account_id is null then 'credit_account_unknown'
        when joined.meter_id is not null and meters.meter_id is null then 'credit_meter_unknown'
        when not list_contains(statement_currencies.currencies, joined.currency)
            then 'credit_currency_not_billed'
    end as issue
from joined
left join {{ ref('dim_accounts') }} as accounts using (account_id)
left join {{ ref('stg_pricebook__meters') }} as meters using (meter_id)
left join statement_currencies using (account_id)
