{#- An instant as text, to the microsecond, the same whatever the session's time zone: for ids. -#}
{% macro utc_text(instant) -%}
    strftime({{ instant }} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')
{%- endmacro %}
