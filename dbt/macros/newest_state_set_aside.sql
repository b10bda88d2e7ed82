{#-
    For sources that tell the state of a record again and again (`states`: source_account, sandbox_id,
    execution_id, known_at, content, content_sha256, load_seq, record_number): the rows that do not
    count. The newest state counts; a closed record (one with an end) is newer than an open one,
    because known_at is the record's own latest time. Equal content is a 'duplicate', other content
    is 'superseded'. Independent of the order in which files arrived. Every row of a voided record is
    'superseded'.
-#}
{% macro newest_state_set_aside(provider, states) -%}
, ranked as (
    select
        *,
        row_number() over newest_first as state_number,
        first_value(content) over newest_first as newest_content
    from {{ states }}
    {{ anti_join_voided() }}
    window newest_first as (
        partition by {{ 'provider, ' if provider is none }}source_account, sandbox_id, execution_id
        order by known_at desc, content desc, content_sha256, record_number
    )
)

select
    {{ 'provider' if provider is none else "'" ~ provider ~ "' as provider" }},
    source_account,
    sandbox_id,
    execution_id,
    load_seq,
    record_number,
    case when content = newest_content then 'duplicate' else 'superseded' end as disposition,
    true as is_end
from ranked
where state_number > 1

union all

{{ voided_records('generic' if provider is none else provider) }}
{%- endmacro %}
