-- Grain: account, Stripe event name, billing period that can be compared: the price in force. unit_amount_minor is what
-- one more unit costs: the last tier that the period's usage reached under the period's last plan
-- version (nothing while the included quantity lasts), or the first tier where nothing was used.
-- Discounts and transforms of the charge are in it. unit_amounts_minor are all unit amounts that
-- an invoice of the period may rightly show: every tier of every version in force, discounted or
-- not; null where packages or single events have a price, because then a unit has none.
with

reach as (
    select
        min(window_start) as first_summary_at,
        max(window_end) as last_summary_at
    from {{ ref('stg_stripe__meter_event_summaries') }}
),

approved as (
    select distinct
        approvals.account_id,
        coalesce(parts.billing_period_start, approvals.period_start) as period_start,
        coalesce(parts.billing_period_end, approvals.period_end) as period_end
    from {{ ref('stg_ledger__approvals') }} as approvals
    left join {{ ref('int_statement_parts') }} as parts using (statement_id)
),

-- Quantities are valued only where a leg is compared: in periods that were approved, or that Stripe's
-- summaries reach.
segments as (
    select segments.*
    from {{ ref('int_billing_segments') }} as segments
    cross join reach
    left join approved using (account_id, period_start, period_end)
    where
        {{ is_reconciled_again('segments.account_id') }}
        and ({{ is_meter_covered('segments.period_end', 'reach') }} or approved.account_id is not null)
),

-- Prices of each tier in minor units; as few rows as the price book has tiers.
full_prices as (
    select
        charges.plan_id,
        charges.plan_version,
        charges.charge_key,
        charges.charge_order,
        coalesce(charges.stripe_event_name, meters.stripe_event_name) as stripe_event_name,
        tiers.tier_index,
        charges.is_rated_by_event or contains(charges.model, 'package') as is_without_unit_amount,
        -- Each branch is cast: DuckDB gives a CASE the smallest of its scales.
        cast(
            case charges.transform_operation
                when 'multiply'
                    then cast(
                        {{ multiply_exactly('tiers.unit_amount', 'charges.transform_factor') }}
                        as decimal(38, 18)
                    )
                when 'divide'
                    then cast(
                        {{ divide_exactly('tiers.unit_amount', 'charges.transform_factor') }}
                        as decimal(38, 18)
                    )
                else cast(tiers.unit_amount as decimal(38, 18))
            end * ({{ minor_factor('versions.currency') }}) as decimal(38, 18)
        ) as full_unit_amount_minor,
        cast(
            (100 - coalesce(charges.percentage_discount, 0)) * cast(0.01 as decimal(18, 2))
            as decimal(38, 18)
        ) as share_to_pay
    from {{ ref('int_price_charges') }} as charges
    inner join {{ ref('stg_pricebook__meters') }} as meters on charges.meter_id = meters.meter_id
    inner join {{ ref('int_price_tiers') }} as tiers
        on charges.plan_id = tiers.plan_id
        and charges.plan_version = tiers.plan_version
        and charges.charge_key = tiers.charge_key
    inner join {{ ref('int_price_versions') }} as versions
        on charges.plan_id = versions.plan_id and charges.plan_version = versions.plan_version
    where coalesce(charges.stripe_event_name, meters.stripe_event_name) <> ''
),

tier_prices as (
    select
        * exclude (share_to_pay),
        {{ multiply_exactly('full_unit_amount_minor', 'share_to_pay') }} as unit_amount_minor
    from full_prices
),

versions as (
    select
        plan_id,
        plan_version,
        row_number() over (order by plan_id, plan_version) as version_number
    from {{ ref('int_price_versions') }}
),

in_force as (
    select
        segments.account_id,
        segments.period_start,
        segments.period_end,
        versions.version_number,
        max(segments.segment_end) as in_force_until
    from segments
    inner join versions
        on segments.plan_id = versions.plan_id and segments.plan_version = versions.plan_version
    group by all
),

-- Which versions were in force in a period, the last one first. Few such lists differ, so prices
-- are resolved once for each of them.
listed as (
    select
        account_id,
        period_start,
        period_end,
        list_sort(list({ 'place': place, 'version_number': version_number })) as version_list
    from (
        select
            *,
            dense_rank() over (
                partition by account_id, period_start, period_end order by in_force_until desc
            ) as place
        from in_force
    ) as ranked
    group by account_id, period_start, period_end
),

version_lists as (
    select
        version_list,
        row_number() over (order by version_list) as list_id
    from (select distinct listed.version_list from listed) as every_list
),

periods as (
    select
        listed.account_id,
        listed.period_start,
        listed.period_end,
        version_lists.list_id
    from listed
    inner join version_lists on listed.version_list = version_lists.version_list
),

list_entries as (
    select
        list_id,
        unnest(version_list) as entry
    from version_lists
),

list_prices as (
    select
        list_entries.list_id,
        tier_prices.*,
        -- The version in force last comes first, then the first charge.
        row_number() over (
            partition by list_entries.list_id, tier_prices.stripe_event_name
            order by
                list_entries.entry.place,
                tier_prices.charge_order,
                tier_prices.charge_key,
                list_entries.entry.version_number,
                tier_prices.tier_index
        ) as choice
    from list_entries
    inner join versions on list_entries.entry.version_number = versions.version_number
    inner join tier_prices
        on versions.plan_id = tier_prices.plan_id
        and versions.plan_version = tier_prices.plan_version
),

allowed as (
    select
        list_id,
        stripe_event_name,
        case
            when bool_or(is_without_unit_amount) is not true
                then list(distinct unit_amount_minor order by unit_amount_minor)
        end as unit_amounts_minor
    from (
        select
            list_id,
            stripe_event_name,
            is_without_unit_amount,
            unnest([
                cast(full_unit_amount_minor as decimal(38, 12)),
                cast(unit_amount_minor as decimal(38, 12))
            ]) as unit_amount_minor
        from list_prices
    ) as amounts
    group by list_id, stripe_event_name
),

first_tiers as (
    select
        list_id,
        stripe_event_name,
        arg_min(unit_amount_minor, choice) as unit_amount_minor
    from list_prices
    where tier_index = 1
    group by list_id, stripe_event_name
),

list_amounts as (
    select
        allowed.list_id,
        allowed.stripe_event_name,
        allowed.unit_amounts_minor,
        first_tiers.unit_amount_minor
    from allowed
    left join first_tiers
        on allowed.list_id = first_tiers.list_id
        and allowed.stripe_event_name = first_tiers.stripe_event_name
),

lines as (
    select
        lines.charge_id,
        statements.account_id,
        coalesce(parts.billing_period_start, statements.period_start) as period_start,
        coalesce(parts.billing_period_end, statements.period_end) as period_end,
        lines.plan_id,
        lines.plan_version,
        lines.charge_key
    from {{ ref('fct_charges') }} as lines
    inner join {{ ref('fct_statements') }} as statements
        on lines.statement_id = statements.statement_id
    left join {{ ref('int_statement_parts') }} as parts on lines.statement_id = parts.statement_id
    semi join segments
        on statements.account_id = segments.account_id
        and coalesce(parts.billing_period_start, statements.period_start) = segments.period_start
        and coalesce(parts.billing_period_end, statements.period_end) = segments.period_end
    where lines.charge_class = 'usage' and {{ is_reconciled_again('lines.account_id') }}
),

-- Periods with usage outside of first tiers; all others have the price of the first tier. They are
-- few, so only in them is asked which tier the usage of each charge reached.
beyond_first_tiers as (
    select distinct
        lines.account_id,
        lines.period_start,
        lines.period_end
    from lines
    inner join {{ ref('fct_charge_tiers') }} as tiers on lines.charge_id = tiers.charge_id
    where tiers.tier_index <> 1
),

-- Kept apart, before each period becomes as many rows as it has event names.
periods_beyond as materialized (
    select * from periods semi join beyond_first_tiers using (account_id, period_start, period_end)
),

periods_within as materialized (
    select * from periods anti join beyond_first_tiers using (account_id, period_start, period_end)
),

reached as (
    select
        lines.account_id,
        lines.period_start,
        lines.period_end,
        lines.plan_id,
        lines.plan_version,
        lines.charge_key,
        max(tiers.tier_index) as tier_index
    from lines
    semi join periods_beyond using (account_id, period_start, period_end)
    inner join {{ ref('fct_charge_tiers') }} as tiers on lines.charge_id = tiers.charge_id
    group by all
),

last_reached as (
    select
        periods.account_id,
        list_prices.stripe_event_name,
        periods.period_start,
        periods.period_end,
        arg_min(list_prices.unit_amount_minor, list_prices.choice) as unit_amount_minor
    from periods_beyond as periods
    inner join list_prices on periods.list_id = list_prices.list_id
    left join reached
        on periods.account_id = reached.account_id
        and periods.period_start = reached.period_start
        and periods.period_end = reached.period_end
        and list_prices.plan_id = reached.plan_id
        and list_prices.plan_version = reached.plan_version
        and list_prices.charge_key = reached.charge_key
    where list_prices.tier_index = coalesce(reached.tier_index, 1)
    group by all
)

-- No tier is reached while the included quantity covers everything: one more unit costs nothing.
select
    periods.account_id,
    list_amounts.stripe_event_name,
    periods.period_start,
    periods.period_end,
    coalesce(list_amounts.unit_amount_minor, cast(0 as decimal(38, 18))) as unit_amount_minor,
    list_amounts.unit_amounts_minor
from periods_within as periods
inner join list_amounts on periods.list_id = list_amounts.list_id

union all

select
    periods.account_id,
    list_amounts.stripe_event_name,
    periods.period_start,
    periods.period_end,
    coalesce(last_reached.unit_amount_minor, cast(0 as decimal(38, 18))) as unit_amount_minor,
    list_amounts.unit_amounts_minor
from periods_beyond as periods
inner join list_amounts on periods.list_id = list_amounts.list_id
left join last_reached
    on periods.account_id = last_reached.account_id
    and periods.period_start = last_reached.period_start
    and periods.period_end = last_reached.period_end
    and list_amounts.stripe_event_name = last_reached.stripe_event_name
