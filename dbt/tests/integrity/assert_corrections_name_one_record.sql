{{ config(severity='warn', meta={"dagster": {"ref": {"name": "stg_corrections__corrections"}}}) }}
-- A correction applies to every record of its record_id: of two sources or two sandboxes that is two records.
select
    record_id,
    count(distinct to_json([record_source, provider, source_account, sandbox_id])) as records
from {{ ref('stg_corrections__corrected_records') }}
group by record_id
having count(distinct to_json([record_source, provider, source_account, sandbox_id])) > 1
