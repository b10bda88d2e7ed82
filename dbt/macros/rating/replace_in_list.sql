{#- A list with the value at `position` (from 1) replaced; unchanged where position is 0. -#}
{% macro replace_in_list(values, position, value) -%}
    case
        when {{ position }} = 0 then {{ values }}
        else list_concat(
            list_concat(list_slice({{ values }}, 1, {{ position }} - 1), [{{ value }}]),
            list_slice({{ values }}, {{ position }} + 1, len({{ values }}))
        )
    end
{%- endmacro %}
