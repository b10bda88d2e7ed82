{#-
    Of a list of stretches (structs with step_start and step_end), taken in turn, those that overlap
    none that was kept before them.
-#}
{% macro keep_disjoint(stretches) -%}
    list_reduce(
        list_transform({{ stretches }}, lambda stretch: [stretch]),
        lambda kept, next: case
            when len(list_filter(
                kept, lambda each: each.step_start < next[1].step_end and each.step_end > next[1].step_start
            )) = 0 then list_concat(kept, next)
            else kept
        end
    )
{%- endmacro %}
