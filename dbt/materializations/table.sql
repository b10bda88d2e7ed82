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
    {% call statement('main', auto_begin=(pre_hooks or post_hooks)) -%}
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
    create or replace table {{ relation }} as (
        {{ query }}
    );
{%- endmacro %}
