{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: statement of a billing period that is billed in several parts; empty for all others (DECISIONS D62). A
-- part ends where usage that no earlier part has comes to the threshold of the plan version in force then, at the
-- end of a UTC hour, or where it was approved. It is rated as the period up to its end (rated_statement_id: an
-- instant of int_threshold_charge_hours, in the last part the period itself) less the period up to its start
-- (less_statement_id). Each step of the recursion finds the next cut of every period.
with recursive

periods as (
    select * from {{ ref('int_threshold_periods') }}
),

segments as (
    select segments.*
    from {{ ref('int_billing_segments') }} as segments
    semi join periods using (statement_id)
),

-- Maximum and included amount as for the lines of the period (int_plan_lines_rated).
rules as (
    select
        first_versions.statement_id,
        {{ to_minor('versions.maximum_amount', 'versions.currency') }} as maximum_minor,
        {{ to_minor('versions.included_amount', 'versions.currency') }} as included_minor
    from (
        select statement_id, plan_id, arg_min(plan_version, segment_start) as plan_version
        from segments
        group by statement_id, plan_id
    ) as first_versions
    inner join {{ ref('int_price_versions') }} as versions using (plan_id, plan_version)
),

charges as (
    select * from {{ ref('int_threshold_hours') }}
),

reached as (
    select statement_id, reached_at
    from charges
    union
    select statement_id, unnest(approved_cuts) as reached_at
    from periods
),

versions_in_force as (
    select
        reached.statement_id,
        reached.reached_at,
        segments.plan_id,
        arg_max(segments.plan_version, segments.segment_start) as plan_version
    from reached
    inner join segments
        on reached.statement_id = segments.statement_id and reached.reached_at > segments.segment_start
    group by reached.statement_id, reached.reached_at, segments.plan_id
),

instants as (
    select
        reached.statement_id,
        reached.reached_at,
        list_contains(periods.approved_cuts, reached.reached_at) as is_approved,
        {{ to_minor('versions.threshold_amount', 'versions.currency') }} as threshold_minor
    from reached
    inner join periods
        on reached.statement_id = periods.statement_id
        and reached.reached_at > periods.period_start
        and reached.reached_at < periods.period_end
    left join versions_in_force
        on reached.statement_id = versions_in_force.statement_id
        and reached.reached_at = versions_in_force.reached_at
    left join {{ ref('int_price_versions') }} as versions
        on versions_in_force.plan_id = versions.plan_id
        and versions_in_force.plan_version = versions.plan_version
    where list_contains(periods.approved_cuts, reached.reached_at) or reached.reached_at > periods.counted_from
),

-- usage_minor: lines of all parts so far after discounts; due_minor: after maximum and included amount too.
cuts as (
    select
        statement_id,
        cast(0 as bigint) as cut_number,
        period_start as cut_at,
        cast(0 as bigint) as usage_minor,
        cast(0 as bigint) as due_minor
    from periods
    union all
    select
        statement_id,
        cut_number,
        cut_at,
        usage_minor,
        due_minor
    from (
        select
            parts.statement_id,
            parts.cut_number + 1 as cut_number,
            parts.reached_at as cut_at,
            parts.usage_minor,
            parts.is_approved,
            parts.threshold_minor,
            parts.due_before,
            cast(
                least(parts.usage_minor, rules.maximum_minor)
                - least(coalesce(rules.included_minor, 0), greatest(least(parts.usage_minor, rules.maximum_minor), 0))
                as bigint
            ) as due_minor
        from (
            select
                lines.statement_id,
                lines.cut_number,
                lines.reached_at,
                lines.is_approved,
                lines.threshold_minor,
                lines.due_minor as due_before,
                cast(lines.usage_minor + coalesce(sum(
                    {{ to_minor('lines.amount', 'lines.currency') }}
                    - {{ to_minor(
                        percent_of('lines.amount', 'coalesce(lines.percentage_discount, 0)'), 'lines.currency'
                    ) }}
                ), 0) as bigint) as usage_minor
            from (
                select
                    cuts.statement_id,
                    cuts.cut_number,
                    cuts.usage_minor,
                    cuts.due_minor,
                    instants.reached_at,
                    instants.is_approved,
                    instants.threshold_minor,
                    charges.percentage_discount,
                    charges.currency,
                    cast(charges.amount - coalesce(billed.amount, 0) as decimal(38, 18)) as amount
                from cuts
                inner join instants
                    on cuts.statement_id = instants.statement_id and cuts.cut_at < instants.reached_at
                left join charges
                    on instants.statement_id = charges.statement_id
                    and instants.reached_at = charges.reached_at
                left join charges as billed
                    on cuts.statement_id = billed.statement_id
                    and cuts.cut_at = billed.reached_at
                    and charges.plan_version = billed.plan_version
                    and charges.charge_key = billed.charge_key
                    and charges.meter_id = billed.meter_id
            ) as lines
            group by
                lines.statement_id,
                lines.cut_number,
                lines.reached_at,
                lines.is_approved,
                lines.threshold_minor,
                lines.usage_minor,
                lines.due_minor
        ) as parts
        left join rules using (statement_id)
    ) as possible
    where is_approved or due_minor - due_before >= threshold_minor
    qualify row_number() over (partition by statement_id order by cut_at) = 1
),

parts as (
    select
        periods.statement_id as billing_period_id,
        periods.account_id,
        periods.subscription_id,
        cuts.cut_number + 1 as part_number,
        cuts.cut_at as part_start,
        coalesce(lead(cuts.cut_at) over in_order, periods.period_end) as part_end,
        lead(cuts.cut_at) over in_order is null as is_last_part,
        count(*) over (partition by cuts.statement_id) as part_count,
        periods.period_start,
        periods.period_end
    from cuts
    inner join periods using (statement_id)
    window in_order as (partition by cuts.statement_id order by cuts.cut_number)
)

select
    case
        when part_number = 1 then billing_period_id
        else {{ statement_id('subscription_id', 'part_start') }}
    end as statement_id,
    billing_period_id,
    account_id,
    subscription_id,
    part_number,
    is_last_part,
    part_start as period_start,
    part_end as period_end,
    period_start as billing_period_start,
    period_end as billing_period_end,
    case
        when is_last_part then billing_period_id
        else billing_period_id || '@' || cast(epoch_us(part_end) as varchar)
    end as rated_statement_id,
    case
        when part_number > 1 then billing_period_id || '@' || cast(epoch_us(part_start) as varchar)
    end as less_statement_id
from parts
where part_count > 1
