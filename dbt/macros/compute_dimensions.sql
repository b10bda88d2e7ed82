{#-
    The dimensions of a stretch of compute as canonical JSON text: keys in order, what is unknown (or a
    GPU count of 0) left out, whole numbers bare, other decimals without trailing zeros. The price
    book's `where` is compared with this text. Made once a run, so the text is put together in one
    concat, which also leaves out what is null.
-#}
{% macro compute_dimensions() -%}
    concat(
        '{',
        '"disk_mib":' || disk_mib || ',',
        case when gpu > 0 then '"gpu":' || {{ size_as_text('gpu') }} || ',' end,
        '"memory_mib":' || memory_mib || ',',
        '"provider":', cast(to_json(provider) as varchar),
        ',"region":' || cast(to_json(region) as varchar),
        ',"vcpu":' || {{ size_as_text('vcpu') }},
        '}'
    )
{%- endmacro %}

{#- A size (vCPU, GPUs) as text without trailing zeros. Trimming text is slow, and nearly all of them are whole. -#}
{% macro size_as_text(number) -%}
    case
        when {{ number }} = cast({{ number }} as bigint) then cast(cast({{ number }} as bigint) as varchar)
        else rtrim(cast({{ number }} as varchar), '0')
    end
{%- endmacro %}
