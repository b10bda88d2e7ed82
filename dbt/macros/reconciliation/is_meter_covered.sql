{#-
    Whether Stripe's meter event summaries reach the end of a period, so that it can be compared with them.
    `reach` names a relation with first_summary_at and last_summary_at, null where nothing was exported.
-#}
{% macro is_meter_covered(period_end, reach) -%}
    coalesce(
        {{ reach }}.first_summary_at < {{ period_end }} and {{ reach }}.last_summary_at >= {{ period_end }}, false
    )
{%- endmacro %}
