{#- What the models of one build have in common and need to ask only once: a dictionary that lasts as long
    as this call of dbt. dbt has no place for it of its own, but every node is given the same `graph`. -#}
{% macro this_build() -%}
    {%- if graph.meterhouse_build is not defined or graph.meterhouse_build.invocation_id != invocation_id -%}
        {%- do graph.update({'meterhouse_build': {'invocation_id': invocation_id}}) -%}
    {%- endif -%}
    {{- return(graph.meterhouse_build) -}}
{%- endmacro %}

{#- The answer to a question that has the same answer throughout a build: rows of two columns, a name and a
    value, as a dictionary. Asked when it is first needed. -#}
{% macro ask_once(name, question) -%}
    {%- set build = this_build() -%}
    {%- if name not in build -%}
        {%- set answer = {} -%}
        {%- for row in run_query(question).rows -%}
            {%- do answer.update({row[0]: row[1]}) -%}
        {%- endfor -%}
        {%- do build.update({name: answer}) -%}
    {%- endif -%}
    {{- return(build[name]) -}}
{%- endmacro %}
