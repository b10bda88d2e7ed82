-- Grain: organisation, measure and stretch of time that an answer adds to the ones before it. Windows
-- with the same start grow: what one adds is its total less that of the window that reached less far,
-- also where that is negative. A window reaches to its end, or to its fetch where that came earlier; of
-- two that reach equally far the one fetched last counts (DECISIONS D34).
with

reaching as (
    select *, least(window_end, fetched_at) as reach_end
    from {{ ref('stg_daytona__provider_totals') }}
    qualify row_number() over (
        partition by source_account, measure, window_start, reach_end order by fetched_at desc, window_end desc
    ) = 1
)

select
    provider,
    source_account,
    account_reference,
    measure,
    window_start,
    window_end,
    source,
    fetched_at,
    is_final,
    coalesce(lag(reach_end) over growing, window_start) as step_start,
    reach_end as step_end,
    quantity - coalesce(lag(quantity) over growing, 0) as quantity
from reaching
window growing as (partition by source_account, measure, window_start order by reach_end)
