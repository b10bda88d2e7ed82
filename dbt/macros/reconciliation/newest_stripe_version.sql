{#-
    Keeps the newest version of each object: the last one fetched, then the one with the latest time
    of its own, then the greater text. Nothing here depends on which file was loaded first.
    `finality` is an expression that puts an irreversible state (a deletion) above an undated version.
-#}
{% macro newest_stripe_version(key, finality='false') -%}
    qualify row_number() over (
        partition by {{ key }}
        order by
            fetched_at desc nulls last,
            {{ finality }} desc,
            own_latest_at desc nulls last,
            raw desc
    ) = 1
{%- endmacro %}
