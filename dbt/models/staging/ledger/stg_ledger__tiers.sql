-- Grain: one tier of a line of an approved statement, as it was approved.
select
    approval_id,
    charge_id,
    cast(tier_index as integer) as tier_index,
    cast(quantity as decimal(38, 12)) as quantity,
    cast(unit_amount as decimal(38, 18)) as unit_amount,
    cast(flat_amount as decimal(38, 18)) as flat_amount,
    cast(amount as decimal(38, 18)) as amount
from {{ source('ledger', 'ledger_tiers') }}
where approval_id in (
        select approvals.approval_id from {{ ref('stg_ledger__approvals') }} as approvals
    )
