{#- A view, replaced in one statement, or left alone where that would change nothing. dbt's own way makes it
    under another name, renames twice and drops the old one: with half of the models views, that was a tenth
    of a build with little new. A reader cannot see a half-made view either way: nobody reads the warehouse
    while it is built.

    A view keeps a digest of its text as its comment. It is left alone in an incremental build only: when the
    models or the columns they read change, the build is a full one (run_plan), and makes every view again. -#}
{% materialization view, adapter='duckdb' %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set digest = local_md5(sql ~ model.contract.checksum) -%}
    {%- set hooked = pre_hooks or post_hooks -%}
    {%- set is_there = existing_relation is not none and existing_relation.is_view -%}

    {%- if is_there and not hooked and not should_full_refresh() and digest == digest_of_view(target_relation) -%}
        {%- call noop_statement('main', 'unchanged') -%}
            {{ sql }}
        {%- endcall -%}
        {{ return({'relations': [target_relation]}) }}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing_relation is not none and not existing_relation.is_view -%}
        {{ drop_relation_if_exists(existing_relation) }}
    {%- endif -%}
    {% call statement('main', auto_begin=hooked) -%}
        {%- if config.get('contract').enforced -%}
            {{ get_assert_columns_equivalent(sql) }}
        {%- endif %}
        create or replace view {{ target_relation }} as (
            {{ sql }}
        );
        comment on view {{ target_relation }} is '{{ digest }}';
    {%- endcall %}

    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- The digest that a view was made with, or none. -#}
{% macro digest_of_view(relation) -%}
    {%- set question -%}
        select schema_name || '.' || view_name, comment
        from duckdb_views()
        where database_name = '{{ target.database }}' and not internal and comment is not null
    {%- endset -%}
    {%- set digests = ask_once('digests_of_views', question) -%}
    {{- return(digests.get(relation.schema ~ '.' ~ relation.identifier)) -}}
{%- endmacro %}
