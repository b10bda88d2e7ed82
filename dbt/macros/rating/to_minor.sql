{#- An exact amount rounded half away from zero to minor units. A `factor` that was looked up before saves
    looking it up for every row. -#}
{% macro to_minor(amount, currency, factor=none) -%}
    cast(round(cast({{ amount }} as decimal(38, 18)) * ({{ factor or minor_factor(currency) }}), 0) as bigint)
{%- endmacro %}
