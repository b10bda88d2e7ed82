{#- A percentage of an amount, exact, rounded once to 18 places. -#}
{% macro percent_of(amount, percent) -%}
    {{ multiply_exactly(amount, 'cast(' ~ percent ~ ' * cast(0.01 as decimal(18, 2)) as decimal(38, 18))') }}
{%- endmacro %}
