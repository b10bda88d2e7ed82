{#-
    Whether usage with these dimensions falls under a charge's `where`: every key of `where` is there
    with the same text. An empty `where` matches everything. Both are canonical JSON text.
-#}
{% macro dimensions_match(dimensions, where_dimensions) -%}
    len(list_filter(
        json_keys({{ where_dimensions }}),
        lambda dimension:
            json_extract_string({{ dimensions }}, '$."' || dimension || '"')
            is distinct from json_extract_string({{ where_dimensions }}, '$."' || dimension || '"')
    )) = 0
{%- endmacro %}
