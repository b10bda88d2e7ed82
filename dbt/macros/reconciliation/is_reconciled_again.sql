{#-
    Condition that keeps the accounts which this build reconciles again; in a full build all of them.
    Every model between the billing marts and fct_reconciliation that is not kept from build to build
    holds these accounts only.
-#}
{% macro is_reconciled_again(account_id) -%}
    {%- set touched_accounts = ref('int_reconciliation_accounts_touched') -%}
    {%- if flags.FULL_REFRESH -%}
    true
    {%- else -%}
    {{ account_id }} in (select touched.account_id from {{ touched_accounts }} as touched)
    {%- endif -%}
{%- endmacro %}
