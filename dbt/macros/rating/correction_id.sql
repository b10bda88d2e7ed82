{#- The id of a correction line: one per line that is corrected and statement that takes it. -#}
{% macro correction_id(statement_id, corrects_charge_id) -%}
    'ch_' || md5(concat_ws('|', {{ statement_id }}, {{ corrects_charge_id }}, 'correction'))
{%- endmacro %}
