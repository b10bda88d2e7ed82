-- Grain: one record that does not count (repeated, replaced, or a second end), with its disposition.
{%- for source in var('interval_sources') %}
select load_seq, record_number, disposition
from {{ ref('stg_' ~ source ~ '__set_aside') }}
union all
{%- endfor %}
select load_seq, record_number, disposition
from {{ ref('stg_generic__quantities_set_aside') }}
union all
select load_seq, record_number, disposition
from {{ ref('stg_storage__set_aside') }}
