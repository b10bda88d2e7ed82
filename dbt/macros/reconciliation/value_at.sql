{#-
    The value, in minor units, of a quantity on one statement: the billed amount, moved along the unit
    amount in force from the billed quantity to `quantity`. Differences of this value telescope, so the
    values of several causes always add up to the value of the whole difference.
    `side` names the relation with billed_quantity, billed_amount_exact_minor, billed_amount_minor and
    unit_amount_minor, where there are several.
-#}
{% macro value_at(quantity, side=none) -%}
    {%- set prefix = '' if side is none else side ~ '.' -%}
    {{ prefix }}billed_amount_minor + cast(
        round(
            {{ prefix }}billed_amount_exact_minor
            + {{ multiply_exactly(
                'cast(' ~ quantity ~ ' - ' ~ prefix ~ 'billed_quantity as decimal(38, 12))', prefix ~ 'unit_amount_minor'
            ) }}
        )
        - round({{ prefix }}billed_amount_exact_minor) as bigint
    )
{%- endmacro %}
