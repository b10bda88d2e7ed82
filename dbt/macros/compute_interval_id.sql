{#- The id under which fct_compute_intervals publishes an interval. -#}
{% macro compute_interval_id(interval) -%}
    md5(concat_ws(
        '|',
        {{ interval }}.provider,
        {{ interval }}.source_account,
        {{ interval }}.sandbox_id,
        {{ interval }}.execution_id,
        epoch_us({{ interval }}.started_at)
    ))
{%- endmacro %}
