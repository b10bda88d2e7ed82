{#-
    What running totals of a charge's measured quantity come to for its charge model. `relation` is a
    relation or CTE with the columns `totals` (DECIMAL(38,12)), rounding_mode, rounding_step,
    transform_operation, transform_factor, transform_rounding and included_quantity. Its rows come back
    with, for each total: <total>_rounded as the meter says, <total>_priced after the transform too, and
    <total>_covered, what the included quantity covers of that. Whatever lies between two totals is the
    difference of what they come to, so it does not matter where a period is cut.
-#}
{% macro priced_totals(relation, totals) -%}
select
    *{% for total in totals %},
    cast(greatest(least({{ total }}_priced, included_quantity), 0) as decimal(38, 12)) as {{ total }}_covered
    {%- endfor %}
from (
    select
        * exclude ({% for total in totals %}{{ total }}_scaled{{ ', ' if not loop.last }}{% endfor %}){% for total in totals %},
        case
            when transform_operation is null then {{ total }}_rounded
            else {{ round_to_step(total ~ '_scaled', 'transform_rounding', 'cast(1 as decimal(38, 12))') }}
        end as {{ total }}_priced
        {%- endfor %}
    from (
        select
            *{% for total in totals %},
            case transform_operation
                when 'multiply' then {{ multiply_quantity(total ~ '_rounded', 'transform_factor') }}
                when 'divide' then {{ divide_exactly(total ~ '_rounded', 'transform_factor') }}
            end as {{ total }}_scaled
            {%- endfor %}
        from (
            select
                *{% for total in totals %},
                {{ round_to_step(total, 'rounding_mode', 'rounding_step') }} as {{ total }}_rounded
                {%- endfor %}
            from {{ relation }}
        ) as rounded
    ) as scaled
) as priced
{%- endmacro %}
