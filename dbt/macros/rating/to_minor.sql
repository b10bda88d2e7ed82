{#- An exact amount rounded half away from zero to minor units. -#}
{% macro to_minor(amount, currency) -%}
    cast(round(cast({{ amount }} as decimal(38, 18)) * ({{ minor_factor(currency) }}), 0) as bigint)
{%- endmacro %}
