-- Grain: organisation, measure and window asked for: what the provider says was used in it. An answer
-- about the organisation and the sum of those about its sandboxes are two tellings of the same: the
-- one fetched last counts. Charges may appear up to 48 hours after the use: until then it may grow.
with

tellings as (
    select
        source_account,
        measure,
        window_start,
        window_end,
        source,
        sum(quantity) as quantity,
        max(fetched_at) as fetched_at
    from {{ ref('stg_daytona__poll_values') }}
    where is_newest
    group by all
)

select
    'daytona' as provider,
    source_account,
    cast(to_json(['daytona', source_account, null]) as varchar) as account_reference,
    measure,
    window_start,
    window_end,
    cast(quantity as decimal(38, 16)) as quantity,
    source,
    fetched_at,
    window_end <= {{ as_of() }} - interval 48 hour as is_final
from tellings
qualify row_number() over (
    partition by source_account, measure, window_start, window_end order by fetched_at desc, source
) = 1
