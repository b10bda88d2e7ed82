{#- What is read of an invoice and of the lines it carries, both API generations. -#}
{% macro stripe_invoice_fields() -%}
    {"id":"VARCHAR","customer":"JSON","subscription":"JSON",
     "parent":{"subscription_details":{"subscription":"JSON"}},
     "number":"VARCHAR","currency":"VARCHAR","status":"VARCHAR","billing_reason":"VARCHAR",
     "total":"BIGINT","amount_remaining":"BIGINT","due_date":"BIGINT","attempted":"BOOLEAN",
     "period_start":"BIGINT","period_end":"BIGINT",
     "created":"BIGINT","updated":"BIGINT",
     "status_transitions":{"finalized_at":"BIGINT","marked_uncollectible_at":"BIGINT",
                           "paid_at":"BIGINT","voided_at":"BIGINT"},
     "lines":{"has_more":"BOOLEAN","data":[{{ stripe_invoice_line_fields() }}]}}
{%- endmacro %}
