{#- The id of the statement of one subscription and billing period; the same in every rebuild. A `start_text`
    that was written before saves writing it for every row. -#}
{% macro statement_id(subscription_id, period_start, start_text=none) -%}
    'st_' || md5({{ subscription_id }} || '|' || {{ start_text or utc_text(period_start) }})
{%- endmacro %}
