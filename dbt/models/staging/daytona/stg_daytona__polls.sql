-- Grain: one answer of the usage API: what it said of an organisation's usage in the window asked for.
select
    load_seq,
    record_number,
    known_at,
    source,
    organization_id as source_account,
    window_start,
    window_end,
    fetched_at,
    totals,
    {{ is_daytona_warm_pool('organization_id') }} as is_warm_pool,
    -- Equal text: the same answer told again.
    cast(to_json([
        source, organization_id, {{ utc_text('window_start') }}, {{ utc_text('window_end') }},
        {{ utc_text('fetched_at') }}, totals
    ]) as varchar) as content
from {{ source('daytona', 'daytona_usage_polls') }}
