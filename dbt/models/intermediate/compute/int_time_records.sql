-- Grain: one raw record of an interval source, before anything is set aside.
{%- for source in var('interval_sources') %}
select
    '{{ source }}' as record_source, load_seq, record_number, known_at, provider, source_account, sandbox_id,
    execution_id, carries_time
from {{ ref('stg_' ~ source ~ '__records') }}
{{ 'union all' if not loop.last }}
{%- endfor %}
