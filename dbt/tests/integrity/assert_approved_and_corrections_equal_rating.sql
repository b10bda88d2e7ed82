{{ config(meta={"dagster": {"ref": {"name": "fct_charges"}}}) }}
-- What was approved, with every correction of it, is what today's facts under the prices in force
-- then give, line by line: nobody pays more or less for having been billed early. A correction that
-- found no statement to stand on shows up here too.
with

billed as (
    select
        coalesce(corrects_charge_id, charge_id) as charge_id,
        amount,
        amount_minor,
        quantity
    from {{ ref('fct_charges') }}
),

billed_lines as (
    select
        charge_id,
        sum(amount) as amount,
        sum(amount_minor) as amount_minor,
        coalesce(sum(quantity), 0) as quantity
    from billed
    group by charge_id
)

select coalesce(billed_lines.charge_id, rated.charge_id) as charge_id
from billed_lines
full join {{ ref('int_lines_rated') }} as rated using (charge_id)
where
    coalesce(billed_lines.amount, 0) <> coalesce(rated.amount, 0)
    or coalesce(billed_lines.amount_minor, 0) <> coalesce(rated.amount_minor, 0)
    or coalesce(billed_lines.quantity, 0) <> coalesce(rated.quantity, 0)
