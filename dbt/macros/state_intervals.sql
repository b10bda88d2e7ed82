{#-
    Evidence and issues of a record that tells its own start and end (`states`: started_at, ended_at
    null while open, next_started_at of the same sandbox). Of two overlapping records the later start
    wins and the earlier one ends there.
-#}
{% macro evidence_of_state(states) -%}
    case
        when {{ states }}.next_started_at < coalesce({{ states }}.ended_at, {{ as_of() }}) then 'clamped'
        when {{ states }}.ended_at is null then 'open'
        else 'observed'
    end
{%- endmacro %}

{% macro issues_of_state(states) -%}
    case when {{ states }}.ended_at < {{ states }}.started_at then 'ends_before_start' end,
        case
            when {{ states }}.next_started_at < coalesce({{ states }}.ended_at, {{ as_of() }}) then 'overlaps_next_run'
        end
{%- endmacro %}

{#- The states of a source that are known and touched (columns as `newest_state_set_aside` needs them). -#}
{% macro known_states(states, provider=none) -%}
    select
        provider_rows.*,
        loads.content_sha256
    from (
        select states.*
        from {{ states }} as states
        where states.known_at <= {{ as_of() }}
        {{ and_touched('states', provider) }}
    ) as provider_rows
    inner join {{ ref('stg_landing__loads') }} as loads using (load_seq)
{%- endmacro %}

{#- Those of them that count. -#}
{% macro counted_states(states, set_aside, provider=none) -%}
    select states.*
    from {{ states }} as states
    anti join {{ set_aside }} as set_aside
        on states.load_seq = set_aside.load_seq and states.record_number = set_aside.record_number
    where states.known_at <= {{ as_of() }}
    {{ and_touched('states', provider) }}
{%- endmacro %}

{#-
    The shape that every interval source has, from one row a record that counts (`states`: with account_ref,
    metadata, region, sizes and next_started_at). Unless told otherwise, a record tells its own start and end.
-#}
{% macro intervals_of_states(states, set_aside, provider=none, evidence=none, issues=none, is_settled=none) -%}
{%- set key = ('provider, ' if provider is none else '') ~ 'source_account, sandbox_id, execution_id' -%}
, repetitions as (
    select {{ key }}, cast(count(*) as integer) as repeated_deliveries
    from {{ set_aside }}
    where disposition = 'duplicate'
    group by all
)

select
    {{ states ~ '.provider' if provider is none else "'" ~ provider ~ "' as provider" }},
    {{ states }}.source_account,
    {{ states }}.account_ref,
    {{ states }}.metadata,
    {{ states }}.sandbox_id,
    {{ states }}.execution_id,
    {{ states }}.region,
    {{ states }}.started_at,
    least({{ states }}.ended_at, {{ states }}.next_started_at, {{ as_of() }}) as ended_at,
    {{ states }}.vcpu,
    {{ states }}.memory_mib,
    {{ states }}.disk_mib,
    {{ states }}.gpu,
    {{ evidence or evidence_of_state(states) }} as evidence,
    nullif(concat_ws(',', {{ issues or issues_of_state(states) }}), '') as issues,
    {{ states }}.known_at,
    coalesce(repetitions.repeated_deliveries, 0) as repeated_deliveries,
    cast(null as timestamptz) as paused_until,
    {{ is_settled or states ~ '.ended_at is not null' }} as is_settled
from {{ states }}
left join repetitions using ({{ key }})
{%- endmacro %}
