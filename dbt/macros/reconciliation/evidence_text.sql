{#-
    The evidence of a discrepancy as JSON text: `parts` maps each key to an SQL expression (text or a
    list); a part that is null is left out. Quantities go in as text, because a JSON number is a float
    to most readers.
-#}
{% macro evidence_text(parts) -%}
    cast(
        json_merge_patch(
            '{}',
            json_object(
                {%- for key, value in parts.items() %}
                '{{ key }}', {{ value }}{{ "," if not loop.last }}
                {%- endfor %}
            )
        ) as varchar
    )
{%- endmacro %}
