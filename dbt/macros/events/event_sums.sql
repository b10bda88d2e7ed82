{#- Columns of a group of event values, from which `event_quantity` takes its aggregation. -#}
{% macro event_sums() -%}
    sum(value) as value_sum,
    count(value) as value_count,
    max(value) as highest,
    min(value) as lowest,
    arg_max(value, (occurred_at, event_source, event_id)) as newest,
    count(distinct value_text) as distinct_texts
{%- endmacro %}
