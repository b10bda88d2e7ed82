{{ config(materialized='table') }}
{%- set touched_events = ref('stg_e2b__touched_events') %}
-- Grain: one distinct set of what a record says about whose it is, with its account_reference: provider,
-- the provider's account, the record's own account reference, the linked metadata, as a JSON list.
-- Few exist, so accounts are looked up once for each, not once a run.
with

told as (
    {%- for source in var('interval_sources') %}
    {%- set records = ref('stg_' ~ source ~ '__records') %}
    {%- if source == 'e2b' and not flags.FULL_REFRESH %}
    -- The same records have been looked for already, among the many that E2B sends.
    select distinct 'e2b' as provider, source_account, cast(null as varchar) as account_ref, metadata
    from {{ touched_events }}
    {%- else %}
    select distinct records.provider, records.source_account, records.account_ref, records.metadata
    from {{ records }} as records
    where records.known_at <= {{ as_of() }}
    {{ and_touched('records') }}
    {%- endif %}
    {{ 'union' if not loop.last }}
    {%- endfor %}
)

select
    told.*,
    {{ account_reference('told.provider', 'told.source_account', 'told.account_ref', 'told.metadata') }}
        as account_reference
from told
left join {{ ref('int_account_link_keys') }} as link_keys using (provider)
