{#-
    The instant this build speaks for, as a literal: with a constant the planner knows how many records
    it keeps. Read once a compilation, from the one row of stg_ops__run_context's source.
-#}
{% macro as_of() -%}
    {%- set context = ref('stg_ops__run_context') -%}
    {%- if execute -%}
        {%- set found = run_query('select as_of::varchar from ' ~ context) -%}
        timestamptz '{{ found.columns[0].values()[0] }}'
    {%- else -%}
        timestamptz 'infinity'
    {%- endif -%}
{%- endmacro %}
