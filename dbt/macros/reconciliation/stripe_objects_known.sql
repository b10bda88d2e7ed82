{#- The objects of one Stripe export folder that were known at the run's as-of time. -#}
{% macro stripe_objects_known(folder) -%}
    select
        exported.raw,
        exported.object_id,
        exported.fetched_at
    from {{ source('stripe_exports', 'stripe_objects') }} as exported
    where
        exported.object = '{{ folder }}'
        and (
            exported.known_at is null
            or exported.known_at <= (select run.as_of from {{ ref('stg_ops__run_context') }} as run)
        )
{%- endmacro %}
