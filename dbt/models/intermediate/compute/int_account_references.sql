{{ config(materialized='table') }}
-- Grain: one distinct set of what a record says about whose it is, with its account_reference: provider,
-- the provider's account, the record's own account reference, the linked metadata, as a JSON list.
-- Few exist, so accounts are looked up once for each, not once a run.
with

told as (
    {%- for source in var('interval_sources') %}
    {{ owners_told(source) }}
    {{ 'union' if not loop.last }}
    {%- endfor %}
)

select
    told.*,
    {{ account_reference('told.provider', 'told.source_account', 'told.account_ref', 'told.metadata') }}
        as account_reference
from told
left join {{ ref('int_account_link_keys') }} as link_keys using (provider)
