{{ config(materialized='table') }}
-- Grain: one period of a subscription whose account's currency, or a currency approved before, is not
-- the plan's: by which prices it is rated (DECISIONS D58, D59). All others have the plan's own, price
-- list ''. A subscription that has been billed keeps the currency of its latest approved statement; else
-- it is the account's. That takes a price list of the plan that has begun, or a rate of the period's
-- first day or before; without either the plan's own prices stay.
with

plans as (
    select plan_id, any_value(plan_currency) as plan_currency, min(valid_from) as valid_from
    from {{ ref('stg_pricebook__versions') }}
    group by plan_id
),

other_lists as (
    select plan_id, currency, min(valid_from) as valid_from
    from {{ ref('stg_pricebook__versions') }}
    where price_list <> ''
    group by plan_id, currency
),

approvals as (
    select statement_id, subscription_id, period_start, currency
    from {{ ref('stg_ledger__approvals') }}
),

periods as (
    select
        periods.statement_id,
        periods.account_id,
        periods.subscription_id,
        periods.plan_id,
        periods.period_start,
        periods.period_end,
        cast(periods.period_start at time zone accounts.timezone as date) as first_day,
        greatest(periods.period_start, subscriptions.in_force_start, plans.valid_from) as rated_from,
        plans.plan_currency,
        lower(accounts.currency) as account_currency,
        periods.statement_id in (select approvals.statement_id from approvals) as is_approved
    from {{ ref('int_billing_periods') }} as periods
    inner join {{ ref('int_subscriptions_resolved') }} as subscriptions using (subscription_id)
    inner join {{ ref('stg_accounts__accounts') }} as accounts
        on periods.account_id = accounts.account_id
    inner join plans on periods.plan_id = plans.plan_id
    where periods.is_subscribed
        and (
            lower(accounts.currency) <> plans.plan_currency
            or periods.subscription_id in (
                select approvals.subscription_id
                from approvals
                where approvals.currency <> plans.plan_currency
            )
        )
),

billed as (
    select
        periods.statement_id,
        arg_max(approvals.currency, approvals.period_start) as currency
    from periods
    inner join approvals
        on periods.subscription_id = approvals.subscription_id
        and periods.period_start >= approvals.period_start
    group by periods.statement_id
),

wanted as (
    select periods.*, billed.currency, 1 as choice
    from periods
    inner join billed using (statement_id)
    union all
    select *, account_currency as currency, 2 as choice
    from periods
    union all
    select *, plan_currency as currency, 3 as choice
    from periods
),

days as (
    select distinct plan_currency, currency, first_day
    from wanted
    where currency <> plan_currency
),

rates as (
    select
        days.plan_currency,
        days.currency,
        days.first_day,
        max(rates.rate_date) as rate_date,
        arg_max(rates.rate, rates.rate_date) as exchange_rate
    from days
    inner join {{ ref('stg_accounts__exchange_rates') }} as rates
        on days.plan_currency = rates.from_currency
        and days.currency = rates.to_currency
        and days.first_day >= rates.rate_date
    group by days.plan_currency, days.currency, days.first_day
),

possible as (
    select
        wanted.*,
        case when other_lists.plan_id is null then rates.rate_date end as rate_date,
        case when other_lists.plan_id is null then rates.exchange_rate end as exchange_rate,
        row_number() over (partition by wanted.statement_id order by wanted.choice) as place
    from wanted
    left join other_lists
        on wanted.plan_id = other_lists.plan_id
        and wanted.currency = other_lists.currency
        and wanted.rated_from >= other_lists.valid_from
    left join rates
        on wanted.plan_currency = rates.plan_currency
        and wanted.currency = rates.currency
        and wanted.first_day = rates.first_day
    where wanted.currency = wanted.plan_currency
        or other_lists.plan_id is not null
        or rates.rate_date is not null
)

select
    statement_id,
    account_id,
    subscription_id,
    plan_id,
    period_start,
    period_end,
    case
        when currency = plan_currency then ''
        when exchange_rate is null then currency
        else currency || ':' || cast(rate_date as varchar)
    end as price_list,
    currency,
    plan_currency,
    rate_date,
    exchange_rate,
    case
        when currency = account_currency or is_approved then null
        when choice = 1 then 'currency_of_approved_statement_kept'
        else 'exchange_rate_missing'
    end as issue
from possible
where place = 1
