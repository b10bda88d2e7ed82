{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: charge that is rated event by event (a percentage with a fixed amount, limits or free events; a
-- dynamic price), and event: what of it is charged (DECISIONS D45, D46). Empty for all other charges.
-- As for every model, a version prices the events of its own time as if it had been in force since the
-- period began: rounding, transform, included quantity and free units run on over the events before.
with

charges as (
    select
        charges.*,
        meters.rounding_mode,
        meters.rounding_step,
        tiers.unit_amount
    from {{ ref('int_price_charges') }} as charges
    inner join {{ ref('stg_pricebook__meters') }} as meters using (meter_id)
    inner join {{ ref('int_price_tiers') }} as tiers
        on charges.plan_id = tiers.plan_id
        and charges.plan_version = tiers.plan_version
        and charges.charge_key = tiers.charge_key
        and tiers.up_to is null
    where charges.is_rated_by_event
),

segments as (
    select segments.*
    from {{ ref('int_billing_segments') }} as segments
    {{ semi_join_touched_accounts() }}
    semi join charges on segments.plan_id = charges.plan_id
),

-- Another version's charge of the same key may have another model: its events still come before.
conditions as (
    select
        described.plan_id,
        described.plan_version,
        described.charge_key,
        described.meter_id,
        described.where_dimensions
    from {{ ref('int_price_charges') }} as described
    semi join charges using (plan_id, charge_key, meter_id)
),

events as (
    select
        segments.statement_id,
        segments.account_id,
        segments.plan_version,
        segments.segment_start,
        conditions.charge_key,
        conditions.meter_id,
        amounts.used_at,
        amounts.event_source,
        amounts.event_id,
        amounts.quantity
    from segments
    inner join conditions using (plan_id, plan_version)
    inner join {{ ref('int_amounts_measured') }} as amounts
        on segments.account_id = amounts.account_id
        and conditions.meter_id = amounts.meter_id
        and amounts.used_at >= segments.segment_start
        and amounts.used_at < segments.segment_end
    inner join {{ ref('int_usage_matched') }} as matches
        on amounts.meter_id = matches.meter_id
        and amounts.dimensions is not distinct from matches.dimensions
        and conditions.where_dimensions = matches.where_dimensions
    where matches.is_match
),

versions_in_period as (
    select
        statement_id,
        plan_id,
        plan_version,
        max(segment_end) as version_end
    from segments
    group by statement_id, plan_id, plan_version
),

rated as (
    select
        versions_in_period.statement_id,
        versions_in_period.version_end,
        charges.*
    from versions_in_period
    inner join charges using (plan_id, plan_version)
),

running as (
    select
        rated.* exclude (statement_id, version_end),
        events.* exclude (plan_version, charge_key, meter_id),
        events.plan_version = rated.plan_version as is_own,
        cast(round(sum(events.quantity) over so_far, 12) as decimal(38, 12)) as total
    from rated
    inner join events
        on rated.statement_id = events.statement_id
        and rated.charge_key = events.charge_key
        and rated.meter_id = events.meter_id
        and rated.version_end > events.segment_start
    window
        so_far as (
            partition by rated.statement_id, rated.plan_version, rated.charge_key
            order by events.used_at, events.event_source, events.event_id
            rows between unbounded preceding and current row
        )
),

priced as (
    {{ priced_totals('running') }}
),

used_so_far as (
    select
        *,
        cast(total_priced - total_covered as decimal(38, 12)) as used
    from priced
),

valued as (
    select
        *,
        coalesce(lag(used) over (
            partition by statement_id, plan_version, charge_key
            order by used_at, event_source, event_id
        ), cast(0 as decimal(38, 12))) as used_before
    from used_so_far
),

numbered as (
    select
        *,
        sum(case when used > used_before then 1 else 0 end) over (
            partition by statement_id, plan_version, charge_key
            order by used_at, event_source, event_id
            rows between unbounded preceding and current row
        ) as transaction_number
    from valued
),

free_of_charge as (
    select
        *,
        cast(case
            when free_events is null then coalesce(free_quantity, 0)
            else least(
                coalesce(sum(used - used_before) filter (
                    where used > used_before and transaction_number <= free_events
                ) over (partition by statement_id, plan_version, charge_key), 0),
                free_quantity
            )
        end as decimal(38, 12)) as free
    from numbered
),

charged as (
    select
        *,
        cast(greatest(used, free) - greatest(used_before, free) as decimal(38, 12)) as charged_quantity,
        used > used_before and used > free as is_transaction
    from free_of_charge
    where is_own and model = 'percentage'
),

by_rate as (
    select
        *,
        {{ multiply_exactly('charged_quantity', 'unit_amount') }} as rate_amount
    from charged
),

percentages as (
    select
        *,
        case
            when is_transaction
                then cast(least(
                    greatest(
                        rate_amount + coalesce(fixed_amount, cast(0 as decimal(38, 18))), transaction_minimum
                    ),
                    transaction_maximum
                ) as decimal(38, 18))
            else rate_amount
        end as amount
    from by_rate
),

told as (
    select
        events.* exclude (is_own),
        amounts.amount_text
    from valued as events
    left join {{ ref('int_event_amounts') }} as amounts
        on events.event_source = amounts.event_source
        and events.event_id = amounts.event_id
        and events.amount_path = amounts.amount_path
    where events.is_own and events.model = 'dynamic'
),

read as (
    select
        *,
        {{ amount_from_text('amount_text') }} as told_amount
    from told
),

-- What the events tell is in the plan's currency.
converted as (
    select
        * replace (
            case
                when exchange_rate is null then told_amount
                else {{ multiply_exactly('told_amount', 'exchange_rate') }}
            end as told_amount
        )
    from read
),

every_charge as (
    select
        statement_id,
        account_id,
        plan_version,
        charge_key,
        meter_id,
        used_at,
        event_source,
        event_id,
        cast(used - used_before as decimal(38, 12)) as quantity,
        charged_quantity,
        amount,
        cast(amount - rate_amount as decimal(38, 18)) as flat_amount,
        cast(null as varchar) as issue
    from percentages
    union all
    select
        statement_id,
        account_id,
        plan_version,
        charge_key,
        meter_id,
        used_at,
        event_source,
        event_id,
        cast(used - used_before as decimal(38, 12)) as quantity,
        cast(0 as decimal(38, 12)) as charged_quantity,
        cast(greatest(coalesce(told_amount, 0), 0) as decimal(38, 18)) as amount,
        cast(greatest(coalesce(told_amount, 0), 0) as decimal(38, 18)) as flat_amount,
        case
            when amount_text is null then 'event_amount_missing'
            when told_amount is null then 'event_amount_not_a_number'
            when told_amount < 0 then 'event_amount_negative'
        end as issue
    from converted
)

select
    {{ charge_id('statement_id', 'plan_version', 'charge_key', 'meter_id', "'usage'") }} as charge_id,
    account_id,
    meter_id,
    used_at,
    event_source,
    event_id,
    quantity,
    charged_quantity,
    amount,
    flat_amount,
    issue
from every_charge
