{{ config(materialized='table') }}
-- Grain: account, code and charge (null: the whole usage): what the usage of the billing period under way
-- has reached by the as-of time, and shuts the account's gate. Only what is reached is here: when it was
-- reached is worked out for these accounts alone (DECISIONS D54).
with

accounts as (
    select
        usage.*,
        coalesce(accounts.stripe_customer_id, '') <> '' as has_customer
    from {{ ref('int_gate_usage') }} as usage
    inner join {{ ref('stg_accounts__accounts') }} as accounts using (account_id)
),

amounts as (
    select
        account_id,
        statement_id,
        'payment_required' as code,
        coalesce(included_minor, 0) + 1 as threshold_minor,
        usage_minor
    from accounts
    where not has_customer
    union all
    select
        account_id,
        statement_id,
        'included_exhausted' as code,
        included_minor as threshold_minor,
        usage_minor
    from accounts
    where not on_demand and included_minor is not null
    union all
    select
        account_id,
        statement_id,
        'spending_cap_reached' as code,
        coalesce(included_minor, 0) + cap_minor as threshold_minor,
        usage_minor
    from accounts
    where cap_minor is not null
),

-- All versions of a period share an included quantity: that of the version in force.
used as (
    select
        statement_id,
        charge_key,
        meter_id,
        cast(sum(included_applied + billable_quantity) as decimal(38, 12)) as quantity
    from {{ ref('int_charge_quantities') }}
    group by statement_id, charge_key, meter_id
),

quantities as (
    select
        accounts.account_id,
        accounts.statement_id,
        'included_exhausted' as code,
        charges.charge_key,
        charges.meter_id,
        charges.included_quantity as threshold_quantity,
        used.quantity
    from accounts
    inner join {{ ref('int_price_charges') }} as charges using (plan_id, plan_version)
    inner join used
        on accounts.statement_id = used.statement_id
        and charges.charge_key = used.charge_key
        and charges.meter_id = used.meter_id
    where accounts.is_quantity_plan and not accounts.on_demand
)

select
    account_id,
    statement_id,
    code,
    cast(null as varchar) as charge_key,
    cast(null as varchar) as meter_id,
    cast(threshold_minor as bigint) as threshold_minor,
    cast(null as decimal(38, 12)) as threshold_quantity,
    usage_minor,
    cast(null as decimal(38, 12)) as quantity
from amounts
where usage_minor >= threshold_minor
union all
select
    account_id,
    statement_id,
    code,
    charge_key,
    meter_id,
    cast(null as bigint) as threshold_minor,
    threshold_quantity,
    cast(null as bigint) as usage_minor,
    quantity
from quantities
where quantity >= threshold_quantity
