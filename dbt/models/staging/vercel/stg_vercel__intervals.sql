-- Grain: one session that has started, in the shape every interval source has. Its size is what is
-- allocated: the provider's own bill counts active CPU time instead of cores (DECISIONS D43).
with

counted as (
    {{ counted_states(ref('stg_vercel__sessions'), ref('stg_vercel__set_aside'), 'vercel') }}
),

-- Each session is a machine of its own, so none ends where the next one begins. Nothing is told of a disk,
-- and what is not known is not zero.
closed as (
    select
        *,
        cast(null as bigint) as disk_mib,
        cast(null as decimal(18, 6)) as gpu,
        cast(null as timestamptz) as next_started_at,
        coalesce(ended_at <= {{ as_of() }}, false) as is_closed
    from counted
    where started_at is not null
)

{%- set evidence -%}
case
        when not closed.is_closed then 'open'
        when closed.end_is_told then 'observed'
        else 'inferred'
    end
{%- endset %}
{%- set issues -%}
case when closed.ended_at < closed.started_at then 'ends_before_start' end,
        case when closed.ended_at is not null and not closed.end_is_told then 'end_missing' end
{%- endset %}

{{ intervals_of_states(
    'closed', ref('stg_vercel__set_aside'), 'vercel', evidence=evidence, issues=issues, is_settled='closed.is_closed'
) }}
