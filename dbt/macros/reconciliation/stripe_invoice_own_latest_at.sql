{#- The latest thing an invoice says about itself; nulls are passed over. -#}
{% macro stripe_invoice_own_latest_at() -%}
    greatest(
        to_timestamp(fields['created']),
        to_timestamp(fields['updated']),
        to_timestamp(fields['status_transitions']['finalized_at']),
        to_timestamp(fields['status_transitions']['marked_uncollectible_at']),
        to_timestamp(fields['status_transitions']['paid_at']),
        to_timestamp(fields['status_transitions']['voided_at'])
    )
{%- endmacro %}
