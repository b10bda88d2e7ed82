{#-
    What is read of an invoice line. Since 2025-03-31 the price stands under `pricing`, before that the
    line carried the whole price (and before prices a plan); `unique_id` and `invoice_id` are what older
    exports wrote beside it.
-#}
{% macro stripe_invoice_line_fields() -%}
    {"id":"VARCHAR","unique_id":"VARCHAR","invoice":"JSON","invoice_id":"JSON",
     "amount":"BIGINT","currency":"VARCHAR",
     "quantity":"DECIMAL(38,12)","quantity_decimal":"DECIMAL(38,12)",
     "period":{"start":"BIGINT","end":"BIGINT"},
     "pricing":{"unit_amount_decimal":"DECIMAL(38,12)","price_details":{"price":"JSON"}},
     "price":"JSON","plan":"JSON"}
{%- endmacro %}
