{{ config(materialized='table') }}
-- Grain: one run of a sandbox, of every interval source; in an incremental build only the runs of the
-- sandboxes that new records touch. account_reference: all that decides whose run it is, as a JSON
-- list: provider, the provider's account, the record's own account reference, the linked metadata.
with

runs as (
    {%- for source in var('interval_sources') %}
    select
        provider, source_account, account_ref, metadata, sandbox_id, execution_id, region, started_at, ended_at,
        vcpu, memory_mib, disk_mib, gpu, evidence, issues, known_at, repeated_deliveries, paused_until, is_settled
    from {{ ref('stg_' ~ source ~ '__intervals') }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    runs.* exclude (account_ref, metadata),
    {{ account_reference('runs.provider', 'runs.source_account', 'runs.account_ref', 'runs.metadata') }}
        as account_reference
from runs
left join {{ ref('int_account_link_keys') }} as link_keys using (provider)
