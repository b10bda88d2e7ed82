{{ config(
    materialized='incremental', incremental_strategy='append',
    pre_hook="{{ delete_touched(ref('int_touched_accounts'), ['account_id']) }}"
) }}
-- Grain: one stretch of an account's time with one subscription, one billing period and one plan
-- version of its price list, either of a trial or charged. Segments of an account never overlap: usage inside one is
-- rated by it (or, in a trial, by nothing) and by nothing else.
with

periods as (
    select *
    from {{ ref('int_billing_periods') }}
    {{ semi_join_touched_accounts() }}
    where is_subscribed
),

segments as (
    select
        periods.statement_id,
        periods.account_id,
        periods.subscription_id,
        periods.plan_id,
        versions.plan_version,
        periods.period_start,
        periods.period_end,
        greatest(periods.period_start, subscriptions.in_force_start, versions.valid_from)
            as segment_start,
        least(
            periods.period_end,
            subscriptions.in_force_end,
            coalesce(versions.valid_to, periods.period_end)
        ) as segment_end,
        subscriptions.trial_end
    from periods
    inner join {{ ref('int_subscriptions_resolved') }} as subscriptions
        on periods.subscription_id = subscriptions.subscription_id
        and periods.period_start < subscriptions.in_force_end
        and periods.period_end > subscriptions.in_force_start
    left join {{ ref('int_statement_price_lists') }} as price_lists
        on periods.statement_id = price_lists.statement_id
    inner join {{ ref('int_price_versions') }} as versions
        on periods.plan_id = versions.plan_id
        and coalesce(price_lists.price_list, '') = versions.price_list
        and periods.period_end > versions.valid_from
        and periods.period_start < coalesce(versions.valid_to, periods.period_end)
),

cut_at_trial_end as (
    select
        * exclude (segment_end, trial_end),
        least(segment_end, trial_end) as segment_end,
        true as is_trial
    from segments
    union all by name
    select
        * exclude (segment_start, segment_end, trial_end),
        greatest(segment_start, trial_end) as segment_start,
        segment_end,
        false as is_trial
    from segments
)

select
    md5(concat_ws(
        '|',
        subscription_id,
        plan_version,
        {{ utc_text('segment_start') }},
        {{ utc_text('segment_end') }}
    )) as segment_id,
    account_id,
    subscription_id,
    plan_id,
    plan_version,
    period_start,
    period_end,
    segment_start,
    segment_end,
    statement_id,
    is_trial
from cut_at_trial_end
where segment_start < segment_end
