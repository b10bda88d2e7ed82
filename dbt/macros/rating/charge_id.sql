{#-
    The id of a line of a statement: one plan version, charge key, meter and class; the same in every
    rebuild, so that an approved line and today's rating of it find each other.
-#}
{% macro charge_id(statement_id, plan_version, charge_key, meter_id, charge_class) -%}
    'ch_' || md5(concat_ws(
        '|',
        {{ statement_id }},
        coalesce({{ plan_version }}, ''),
        {{ charge_key }},
        coalesce({{ meter_id }}, ''),
        {{ charge_class }}
    ))
{%- endmacro %}
