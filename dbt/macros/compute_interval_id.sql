{#- The id under which fct_compute_intervals publishes an interval: of JSON, so that no character in an
    id makes two intervals look like one. -#}
{% macro compute_interval_id(interval) -%}
    md5(cast(to_json([
        {{ interval }}.provider,
        {{ interval }}.source_account,
        {{ interval }}.sandbox_id,
        {{ interval }}.execution_id,
        cast(epoch_us({{ interval }}.started_at) as varchar)
    ]) as varchar))
{%- endmacro %}
