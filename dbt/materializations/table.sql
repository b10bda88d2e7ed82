{#- A table, replaced in one statement. dbt's own way makes it under another name, looks for indexes, renames
    twice and drops the old one, in a transaction. One statement replaces a table whole or not at all. -#}
{% materialization table, adapter='duckdb' %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing_relation is not none and not existing_relation.is_table -%}
        {{ drop_relation_if_exists(existing_relation) }}
    {%- endif -%}
    {% call statement('main', auto_begin=(pre_hooks or post_hooks or config.get('as_written'))) -%}
        {{ create_or_replace_table(target_relation, sql) }}
    {%- endcall %}

    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- The statement that makes a table of a query, in the columns and types of its contract if it has one. -#}
{% macro create_or_replace_table(relation, sql) -%}
    {%- set query = sql -%}
    {%- if config.get('contract').enforced -%}
        {%- if model.constraints or model.columns.values() | selectattr('constraints') | list -%}
            {% do exceptions.raise_compiler_error(
                'constraints are not made: test ' ~ model.name ~ ' with data tests instead'
            ) %}
        {%- endif -%}
        {{ get_assert_columns_equivalent(sql) }}
        {%- set query = get_select_subquery(sql) -%}
    {%- endif %}
    {%- if config.get('as_written') %}
    create or replace table {{ relation }} ({{ columns_as_written(query) }});
    insert into {{ relation }} {{ query }};
    {%- else %}
    create or replace table {{ relation }} as (
        {{ query }}
    );
    {%- endif %}
{%- endmacro %}

{#- The columns and types of a query, those in `as_written` without compression. What is different in every
    row does not get much smaller, and the attempt costs as much as all other columns. -#}
{% macro columns_as_written(query) -%}
    {%- for column in run_query('describe ' ~ query).rows -%}
        "{{ column[0] }}" {{ column[1] }}{{ ' using compression uncompressed' if column[0] in config.get('as_written') }}
        {{- ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
