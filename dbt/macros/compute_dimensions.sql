{#-
    The dimensions of a stretch of compute as canonical JSON text: keys in order, what is unknown (or a
    GPU count of 0) left out, whole numbers bare, other decimals without trailing zeros. The price
    book's `where` is compared with this text.
-#}
{% macro compute_dimensions() -%}
    '{'
    || coalesce('"disk_mib":' || disk_mib || ',', '')
    || case when gpu > 0 then '"gpu":' || rtrim(rtrim(cast(gpu as varchar), '0'), '.') || ',' else '' end
    || coalesce('"memory_mib":' || memory_mib || ',', '')
    || '"provider":' || cast(to_json(provider) as varchar)
    || coalesce(',"region":' || cast(to_json(region) as varchar), '')
    || coalesce(',"vcpu":' || rtrim(rtrim(cast(vcpu as varchar), '0'), '.'), '')
    || '}'
{%- endmacro %}
