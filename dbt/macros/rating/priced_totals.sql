{#-
    What running totals of a charge's measured quantity come to for its charge model. `relation` is a
    relation or CTE with the columns total (DECIMAL(38,12)), rounding_mode, rounding_step,
    transform_operation, transform_factor, transform_rounding and included_quantity. Its rows come back
    with total_rounded as the meter says, total_priced after the transform too, and total_covered, what the
    included quantity covers of that. Whatever lies between two totals is the difference of what they come
    to, so it does not matter where a period is cut.
-#}
{% macro priced_totals(relation) -%}
select
    *,
    cast(greatest(least(total_priced, included_quantity), 0) as decimal(38, 12)) as total_covered
from (
    select
        * exclude (total_scaled),
        case
            when transform_operation is null then total_rounded
            else {{ round_to_step('total_scaled', 'transform_rounding', 'cast(1 as decimal(38, 12))') }}
        end as total_priced
    from (
        select
            *,
            case transform_operation
                when 'multiply' then {{ multiply_quantity('total_rounded', 'transform_factor') }}
                when 'divide' then {{ divide_exactly('total_rounded', 'transform_factor') }}
            end as total_scaled
        from (
            select
                *,
                {{ round_to_step('total', 'rounding_mode', 'rounding_step') }} as total_rounded
            from {{ relation }}
        ) as rounded
    ) as scaled
) as priced
{%- endmacro %}
