{#-
    The instant this build speaks for, as a literal: with a constant the planner knows how many records
    it keeps. Read once a build, from the one row of stg_ops__run_context's source.
-#}
{% macro as_of() -%}
    {%- set context = ref('stg_ops__run_context') -%}
    {%- if execute -%}
        {%- set found = ask_once('run_context', "select 'as_of', as_of::varchar from " ~ context) -%}
        timestamptz '{{ found.as_of }}'
    {%- else -%}
        timestamptz 'infinity'
    {%- endif -%}
{%- endmacro %}
