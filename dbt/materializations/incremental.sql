{#- A table to which a build adds what is new, after a pre-hook took out what is made again: one transaction
    of a delete and an insert. dbt's own way makes a temporary table first and asks for the columns of both.

    Columns cannot differ between builds, for other models are a full build (run_plan). Should they: `by name`
    refuses a column that the table does not have, `replace` one that the query does not have. -#}
{% materialization incremental, adapter='duckdb' %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- if config.get('incremental_strategy') != 'append' or config.get('on_schema_change') != 'fail' -%}
        {% do exceptions.raise_compiler_error(
            'only incremental_strategy append and on_schema_change fail are made: correct ' ~ model.name
        ) %}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing_relation is not none and not existing_relation.is_table -%}
        {{ drop_relation_if_exists(existing_relation) }}
    {%- endif -%}
    {% call statement('main', auto_begin=(is_incremental() or config.get('as_written'))) -%}
        {%- if is_incremental() -%}
            insert into {{ target_relation }} by name
            select * replace ({{ columns_of_table(target_relation) }})
            from (
                {{ sql }}
            ) as incoming
        {%- else -%}
            {{ create_or_replace_table(target_relation, sql) }}
        {%- endif -%}
    {%- endcall %}

    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- The columns of a table as the build found it, each under its own name: `"a" as "a", "b" as "b"`. -#}
{% macro columns_of_table(relation) -%}
    {%- set question -%}
        select
            schema_name || '.' || table_name,
            string_agg(format('"{0}" as "{0}"', column_name), ', ' order by column_index)
        from duckdb_columns()
        where database_name = '{{ target.database }}' and not internal
        group by all
    {%- endset -%}
    {%- set columns = ask_once('columns_of_tables', question) -%}
    {{- return(columns[relation.schema ~ '.' ~ relation.identifier]) -}}
{%- endmacro %}
