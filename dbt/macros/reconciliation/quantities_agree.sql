{#-
    Whether two quantities are the same for reconciliation. Stripe keeps a meter's sum as a binary
    floating-point number, so the last digits of its answer are noise: an absolute millionth of the
    unit, or 1e-12 of the larger side, is not a difference.
-#}
{% macro quantities_agree(left, right) -%}
    abs({{ left }} - ({{ right }})) <= greatest(
        cast({{ var('reconciliation_absolute_tolerance', '0.000001') }} as decimal(38, 12)),
        cast(
            cast(greatest(abs({{ left }}), abs({{ right }})) as decimal(38, 12))
            * {{ var('reconciliation_relative_tolerance', '0.000000000001') }}
            as decimal(38, 12)
        )
    )
{%- endmacro %}
