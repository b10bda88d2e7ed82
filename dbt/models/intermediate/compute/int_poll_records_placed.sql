-- Grain: one answer of a provider's usage API, with its disposition. An answer counts when something
-- that only it tells last counts as usage; all others are replaced, by later answers or by intervals.
with

answers as (
    select
        polls.*,
        row_number() over (partition by polls.content order by loads.content_sha256, polls.record_number) as telling
    from {{ ref('stg_daytona__polls') }} as polls
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
),

tellings as (
    select
        load_seq, record_number, source_account, source, window_start, window_end, measure,
        bool_or(is_newest) as is_newest
    from {{ ref('stg_daytona__poll_values') }}
    group by all
),

measures as (
    select distinct measure
    from {{ ref('stg_pricebook__meters') }}
    where source = 'compute'
),

counted as (
    select
        steps.source_account,
        steps.source,
        steps.window_start,
        steps.window_end,
        steps.measure,
        assignments.account_id = 'unattributed' as is_unattributed,
        steps.quantity <> 0 and segments.account_id is not null and measures.measure is not null as is_billed
    from {{ ref('int_provider_totals_placed') }} as steps
    inner join {{ ref('int_account_assignments') }} as assignments
        on steps.account_reference = assignments.account_reference
        and steps.step_start >= assignments.valid_from
        and steps.step_start < assignments.valid_to
    left join measures on steps.measure = measures.measure
    left join {{ ref('int_account_segments') }} as segments
        on assignments.account_id = segments.account_id
        and steps.step_start >= segments.segment_start
        and steps.step_start < segments.segment_end
    where steps.standing = 'counted'
),

outcomes as (
    select
        tellings.load_seq,
        tellings.record_number,
        bool_or(counted.is_billed) as is_billed,
        bool_and(counted.is_unattributed) as is_unattributed
    from tellings
    left join counted
        on tellings.is_newest
        and tellings.source_account = counted.source_account
        and tellings.source = counted.source
        and tellings.window_start = counted.window_start
        and tellings.window_end = counted.window_end
        and tellings.measure = counted.measure
    group by tellings.load_seq, tellings.record_number
)

select
    answers.load_seq,
    answers.record_number,
    case
        when answers.known_at > {{ as_of() }} then 'pending'
        when answers.telling > 1 then 'duplicate'
        when answers.is_warm_pool or outcomes.load_seq is null then 'not_billable'
        when outcomes.is_billed is null then 'superseded'
        when outcomes.is_billed then 'billed'
        when outcomes.is_unattributed then 'unattributed'
        else 'not_billable'
    end as disposition
from answers
left join outcomes
    on answers.load_seq = outcomes.load_seq and answers.record_number = outcomes.record_number
