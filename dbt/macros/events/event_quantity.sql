{#-
    The quantity of a group of events (columns of `event_sums`) as its meter aggregates them:
    unique_count, max, min, latest or average, which is rounded to 12 places. DECIMAL(38,16).
-#}
{% macro event_quantity(aggregation) -%}
    case {{ aggregation }}
        when 'unique_count' then cast(distinct_texts as decimal(38, 16))
        when 'max' then cast(highest as decimal(38, 16))
        when 'min' then cast(lowest as decimal(38, 16))
        when 'latest' then cast(newest as decimal(38, 16))
        when 'average' then cast({{ mean_exactly(
            whole_units('value_sum'), fraction_units('value_sum'), 'value_count'
        ) }} as decimal(38, 16))
    end
{%- endmacro %}
