{#- A relation as the last build left it, or none. For state that a build carries over to the next one:
    a ref() would be a cycle. -#}
{% macro load_relation_of(schema, identifier) -%}
    {%- if execute -%}
        {{ return(adapter.get_relation(database=target.database, schema=schema, identifier=identifier)) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}
