{{ config(severity='warn', meta={"dagster": {"ref": {"name": "stg_corrections__corrections"}}}) }}
-- A correction of a record that no source has changes nothing: its record_id may be mistyped.
select corrections.correction_id, corrections.record_id
from {{ ref('stg_corrections__applied') }} as corrections
anti join {{ ref('stg_corrections__corrected_records') }} using (record_id)
