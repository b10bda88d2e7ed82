{{ config(meta={"dagster": {"ref": {"name": "fct_row_dispositions"}}}) }}
-- Rows in = rows out, for every file ever loaded; and no disposition counts less than one row.
with

out as (
    select source, content_sha256, sum(rows) as row_count, min(rows) as fewest
    from {{ ref('fct_row_dispositions') }}
    group by source, content_sha256
)

select loads.source, loads.file, loads.records, out.row_count
from {{ ref('stg_landing__loads') }} as loads
left join out using (source, content_sha256)
where loads.records <> coalesce(out.row_count, 0) or out.fewest < 1
