{{ config(materialized='table') }}
-- Grain: one sandbox (by provider and id, of whatever account) that two sources tell of: its provider's own
-- records, which are always of their one provider, and intervals/, which may name any (DECISIONS D42).
{%- for source in var('interval_sources') if source != 'generic' %}
select distinct told.provider, told.sandbox_id
from {{ ref('stg_generic__records') }} as told
semi join {{ ref('stg_' ~ source ~ '__records') }} as own using (sandbox_id)
where told.provider = '{{ source }}'
{{ 'union all' if not loop.last }}
{%- endfor %}
