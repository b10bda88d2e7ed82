{{ config(severity='warn', meta={"dagster": {"ref": {"name": "stg_corrections__corrections"}}}) }}
-- A record of compute tells times and sizes, no quantity that could be replaced: only void changes it.
select record_id, record_source, load_seq, record_number
from {{ ref('stg_corrections__corrected_records') }}
where action = 'replace' and record_source <> 'quantities'
