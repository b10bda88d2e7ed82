-- Grain: one run of a sandbox, of every interval source; in an incremental build only the runs of the
-- sandboxes that new records touch.
{%- for source in var('interval_sources') %}
select
    '{{ source }}' as record_source,
    provider, source_account, account_ref, metadata, sandbox_id, execution_id, region, started_at, ended_at,
    vcpu, memory_mib, disk_mib, gpu, evidence, issues, known_at, repeated_deliveries, paused_until, is_settled
from {{ ref('stg_' ~ source ~ '__intervals') }}
{{ 'union all' if not loop.last }}
{%- endfor %}
