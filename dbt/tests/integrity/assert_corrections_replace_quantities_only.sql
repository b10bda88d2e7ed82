{{ config(severity='warn', meta={"dagster": {"ref": {"name": "stg_corrections__corrections"}}}) }}
-- A record of compute tells times and sizes, an event its data: no quantity that could be replaced. Only void
-- changes them.
select record_id, record_source, load_seq, record_number
from {{ ref('stg_corrections__corrected_records') }}
where action = 'replace' and record_source <> 'quantities'
