{{ config(materialized='table') }}
-- Grain: one account and UTC day whose usage differs from the last build. For compute: days of
-- intervals that were there and are not any more, and of those that are new. For quantities: days of
-- every state of the records told anew or corrected otherwise, and of providers' totals that differ. For
-- storage: days with an hour that differs. For events: int_touched_event_days. With another price book
-- (its meters name the usage): all days.
-- Empty in a full build.
{%- set built = load_relation_of('intermediate', 'int_compute_hours') %}
{% if flags.FULL_REFRESH or built is none %}
select
    cast(null as varchar) as account_id,
    cast(null as date) as usage_date
where false
-- depends_on: {{ ref('int_compute_intervals_counted') }}
-- depends_on: {{ ref('int_compute_intervals_before') }}
-- depends_on: {{ ref('int_quantities') }}
-- depends_on: {{ ref('int_provider_quantities_before') }}
-- depends_on: {{ ref('int_storage_hours') }}
-- depends_on: {{ ref('int_storage_hours_before') }}
-- depends_on: {{ ref('stg_ops__run_context') }}
-- depends_on: {{ ref('stg_compute__touched_sandboxes') }}
-- depends_on: {{ ref('stg_generic__quantities') }}
-- depends_on: {{ ref('int_account_assignments') }}
-- depends_on: {{ ref('int_touched_event_days') }}
-- depends_on: {{ ref('stg_corrections__changed') }}
{% else %}
with

context as (
    select * from {{ ref('stg_ops__run_context') }}
),

after as (
    select
        intervals.account_id,
        intervals.dimensions,
        intervals.started_at,
        intervals.ended_at,
        intervals.evidence
    from {{ ref('int_compute_intervals_counted') }} as intervals
    semi join {{ ref('stg_compute__touched_sandboxes') }} as touched using (provider, source_account, sandbox_id)
    where intervals.us > 0
),

changed as (
    (select * from {{ ref('int_compute_intervals_before') }} except all select * from after)
    union all
    (select * from after except all select * from {{ ref('int_compute_intervals_before') }})
),

totals_after as (
    select account_id, meter_id, used_at, quantity
    from {{ ref('int_quantities') }}
    where provider is not null
),

totals_changed as (
    (select * from {{ ref('int_provider_quantities_before') }} except all select * from totals_after)
    union all
    (select * from totals_after except all select * from {{ ref('int_provider_quantities_before') }})
),

stored_hours as (
    select account_id, usage_hour, usage_date, byte_us, inferred_byte_us from {{ ref('int_storage_hours') }}
),

stored_differently as (
    (select * from {{ ref('int_storage_hours_before') }} except all select * from stored_hours)
    union all
    (select * from stored_hours except all select * from {{ ref('int_storage_hours_before') }})
),

told_anew as (
    select record_id
    from {{ ref('stg_generic__quantities') }}
    where
        known_at <= (select context.as_of from context)
        and (
            load_seq > (select context.previous_load_seq from context)
            or known_at > (select context.previous_as_of from context)
        )
    union
    select record_id from {{ ref('stg_corrections__changed') }}
)

select
    account_id,
    cast(unnest(generate_series(
        date_trunc('day', started_at), date_trunc('day', ended_at - interval 1 microsecond), interval 1 day
    )) as date) as usage_date
from changed
union
select
    assignments.account_id,
    cast(quantities.started_at as date) as usage_date
from {{ ref('stg_generic__quantities') }} as quantities
semi join told_anew using (record_id)
inner join {{ ref('int_account_assignments') }} as assignments
    on quantities.account_reference = assignments.account_reference
    and quantities.started_at >= assignments.valid_from
    and quantities.started_at < assignments.valid_to
union
select account_id, cast(used_at as date) as usage_date
from totals_changed
union
select account_id, usage_date
from stored_differently
union
select account_id, usage_date
from {{ ref('int_storage_hours') }}
where (select context.pricebook_changed from context)
union
select account_id, usage_date
from {{ ref('int_touched_event_days') }}
union
select account_id, usage_date
from {{ built }}
where (select context.pricebook_changed from context)
union
select account_id, cast(used_at as date)
from {{ ref('int_quantities') }}
where (select context.pricebook_changed from context)
{% endif %}
