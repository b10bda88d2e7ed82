{{ config(materialized='table') }}
-- Grain: one account and UTC day whose event usage may differ from the last build: days of every record
-- of the events told anew; for a weighted_sum meter, whose level lasts, also all days after them. A level
-- that is not zero grows its period's quantity as time passes: the days by which the clock moved (DECISIONS
-- D30). With another price book all days, of the last build too. Empty in a full build.
{%- set built = load_relation_of('intermediate', 'int_event_days') %}
{% if flags.FULL_REFRESH or built is none %}
select
    cast(null as varchar) as account_id,
    cast(null as date) as usage_date
where false
-- depends_on: {{ ref('stg_ops__run_context') }}
-- depends_on: {{ ref('stg_cloudevents__events') }}
-- depends_on: {{ ref('int_account_assignments') }}
-- depends_on: {{ ref('int_event_meters') }}
-- depends_on: {{ ref('int_event_levels') }}
-- depends_on: {{ ref('int_touched_events') }}
{% else %}
with

context as (
    select * from {{ ref('stg_ops__run_context') }}
),

changed as (
    select distinct
        assignments.account_id,
        meters.aggregation,
        cast(events.occurred_at as date) as usage_date
    from {{ ref('stg_cloudevents__events') }} as events
    semi join {{ ref('int_touched_events') }} using (event_source, event_id)
    inner join {{ ref('int_event_meters') }} as meters using (event_type)
    inner join {{ ref('int_account_assignments') }} as assignments
        on events.account_reference = assignments.account_reference
        and events.occurred_at >= assignments.valid_from
        and events.occurred_at < assignments.valid_to
    where events.known_at <= (select context.as_of from context)
),

running as (
    select distinct account_id
    from {{ ref('int_event_levels') }}
    where level <> 0 and ended_at > (select context.previous_as_of from context)
),

lasting as (
    select account_id, min(usage_date) as first_date
    from changed
    where aggregation = 'weighted_sum'
    group by account_id
    union all
    select account_id, cast((select context.previous_as_of from context) as date) as first_date
    from running
    where (select context.as_of from context) > (select context.previous_as_of from context)
)

select account_id, usage_date
from changed
union
select
    account_id,
    cast(unnest(generate_series(
        first_date, cast((select context.as_of from context) as date), interval 1 day
    )) as date) as usage_date
from lasting
union
select account_id, usage_date
from {{ built }}
where (select context.pricebook_changed from context)
{% endif %}
