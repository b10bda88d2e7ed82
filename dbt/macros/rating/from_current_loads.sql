{#- For the where of a reference table: only rows of files that stand in the landing zone now. -#}
{% macro from_current_loads() -%}
    load_seq in (select loads.load_seq from {{ ref('stg_landing__loads') }} as loads where loads.is_current)
{%- endmacro %}
