{#- The id behind a reference to a Stripe object: the text itself, or the `id` of an expanded object. -#}
{% macro stripe_reference(value) -%}
    case json_type({{ value }})
        when 'OBJECT' then {{ value }} ->> '$.id'
        when 'VARCHAR' then nullif({{ value }} ->> '$', '')
    end
{%- endmacro %}
