{{ config(meta={"dagster": {"ref": {"name": "int_storage_hours"}}}) }}
-- Cutting levels into hours loses no byte-microsecond and makes none, per account.
with

cut as (
    select account_id, sum(byte_us) as byte_us, sum(inferred_byte_us) as inferred_byte_us
    from {{ ref('int_storage_hours') }}
    group by account_id
),

held as (
    select
        account_id,
        evidence,
        cast(bytes as hugeint) * (epoch_us(ended_at) - epoch_us(started_at)) as byte_us
    from {{ ref('int_storage_intervals') }}
    where bytes > 0 and ended_at > started_at
),

whole as (
    select
        account_id,
        sum(byte_us) as byte_us,
        sum(case when evidence = 'observed' then 0 else byte_us end) as inferred_byte_us
    from held
    group by account_id
)

select account_id, cut.byte_us as cut_byte_us, whole.byte_us as whole_byte_us
from cut
full join whole using (account_id)
where
    cut.byte_us is distinct from whole.byte_us
    or cut.inferred_byte_us is distinct from whole.inferred_byte_us
