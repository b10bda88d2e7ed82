{#- Leaves out of a relation (with load_seq and record_number) the rows of records that a correction voids:
    before anything is ranked, so that no repetition and no older state takes their place. -#}
{% macro anti_join_voided() -%}
    {%- set corrected_records = ref('stg_corrections__corrected_records') -%}
    anti join (
        select load_seq, record_number from {{ corrected_records }} where action = 'void'
    ) as voided using (load_seq, record_number)
{%- endmacro %}

{#- The rows of records of an interval source that a correction voids, in the columns of its set_aside. -#}
{% macro voided_records(source) -%}
    {%- set corrected_records = ref('stg_corrections__corrected_records') -%}
    select
        corrected.provider,
        corrected.source_account,
        corrected.sandbox_id,
        corrected.execution_id,
        corrected.load_seq,
        corrected.record_number,
        'superseded' as disposition,
        false as is_end
    from {{ corrected_records }} as corrected
    where
        corrected.action = 'void' and corrected.record_source = '{{ source }}'
        {{ and_touched('corrected') }}
{%- endmacro %}
