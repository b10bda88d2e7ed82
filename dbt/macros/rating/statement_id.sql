{#- The id of the statement of one subscription and billing period; the same in every rebuild. -#}
{% macro statement_id(subscription_id, period_start) -%}
    'st_' || md5({{ subscription_id }} || '|' || {{ utc_text(period_start) }})
{%- endmacro %}
