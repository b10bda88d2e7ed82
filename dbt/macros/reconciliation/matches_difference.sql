{#-
    Whether a cause that would change the left side by `delta` gives the right side, within the
    tolerance of the quantities themselves (not of their small difference).
-#}
{% macro matches_difference(delta, leg) -%}
    {{ quantities_agree(leg ~ '.left_quantity + ' ~ delta, leg ~ '.right_quantity') }}
{%- endmacro %}
