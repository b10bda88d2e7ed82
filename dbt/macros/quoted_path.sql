{#- A path of the price book ($.a.b[0]) as the database reads it: each name in quotes. -#}
{% macro quoted_path(path) -%}
    regexp_replace({{ path }}, '\.([A-Za-z_][A-Za-z0-9_-]*)', '."\1"', 'g')
{%- endmacro %}
