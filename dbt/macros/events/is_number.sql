{#- Whether a text is a decimal number, with or without a sign, a fraction and an exponent of two digits. -#}
{% macro is_number(text) -%}
    regexp_full_match({{ text }}, '[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?')
{%- endmacro %}
