{#- How many of the first `quantity` units lie in the tier with the columns from_quantity and up_to. -#}
{% macro units_in_tier(quantity) -%}
    cast(greatest(
        least({{ quantity }}, coalesce(tiers.up_to, {{ quantity }})) - tiers.from_quantity, 0
    ) as decimal(38, 12))
{%- endmacro %}
