{#- Restricts a staging query (its relation named `alias`) to the sandboxes, of one provider if named, that
    new records touch; to all of them in a full build. -#}
{% macro and_touched(alias, provider=none) -%}
    {%- set touched_sandboxes = ref('stg_compute__touched_sandboxes') %}
    {%- if not flags.FULL_REFRESH %}
    and exists (
        select 1
        from {{ touched_sandboxes }} as touched
        where
            touched.provider = {{ alias ~ '.provider' if provider is none else "'" ~ provider ~ "'" }}
            and touched.source_account = {{ alias }}.source_account
            and touched.sandbox_id = {{ alias }}.sandbox_id
    )
    {%- endif %}
{%- endmacro %}

{#- The E2B deliveries of the sandboxes whose runs this build makes: those that new records touch, or all. -#}
{% macro e2b_events_made_again() -%}
    {%- set touched_events = ref('stg_e2b__touched_events') -%}
    {%- set every_event = ref('stg_e2b__events') -%}
    {{- every_event if flags.FULL_REFRESH else touched_events -}}
{%- endmacro %}

{#- What the records of an interval source say about whose they are, of the sandboxes whose runs this build
    makes. E2B's are many, and those of the touched sandboxes stand ready. -#}
{% macro owners_told(source) -%}
    {%- set touched_events = ref('stg_e2b__touched_events') -%}
    {%- set records = ref('stg_' ~ source ~ '__records') -%}
    {%- if source == 'e2b' and not flags.FULL_REFRESH -%}
    select distinct 'e2b' as provider, source_account, cast(null as varchar) as account_ref, metadata
    from {{ touched_events }}
    {%- else -%}
    select distinct records.provider, records.source_account, records.account_ref, records.metadata
    from {{ records }} as records
    where records.known_at <= {{ as_of() }}
    {{ and_touched('records') }}
    {%- endif %}
{%- endmacro %}

{#- For a pre-hook of an incremental model: removes the rows whose key is in `touched`, before the new
    ones are added. -#}
{% macro delete_touched(touched, keys) -%}
    {%- if is_incremental() -%}
    delete from {{ this }} as built
    using {{ touched }} as touched
    where {% for key in keys %}built.{{ key }} = touched.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- endif -%}
{%- endmacro %}

{#- For models that are made by account: joins a relation to the accounts that this build makes again; in a
    full build to none, for it makes all of them. -#}
{% macro semi_join_touched_accounts() -%}
    {%- set touched_accounts = ref('int_touched_accounts') -%}
    {%- if not flags.FULL_REFRESH -%}
    semi join {{ touched_accounts }} using (account_id)
    {%- endif -%}
{%- endmacro %}
