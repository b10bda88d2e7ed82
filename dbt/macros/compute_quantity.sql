{#-
    The quantity of a compute measure as DECIMAL(38,16), exact: sandbox-microseconds times a whole factor
    in units of 10^-16. A microsecond is 10^10 of them; a MiB-microsecond is 9765625 (2^-10 GiB x 10^-6 s).
-#}
{% macro compute_quantity(measure, us, sizes) -%}
    cast(
        cast(cast({{ us }} as hugeint) * case {{ measure }}
            when 'seconds' then case when {{ is_running(sizes) }} then 10000000000::hugeint else 0 end
            when 'cpu_core_seconds' then cast({{ sizes }}.vcpu * 1000000 as hugeint) * 10000
            when 'ram_gibi_seconds' then {{ sizes }}.memory_mib::hugeint * 9765625
            when 'ssd_gibi_seconds' then {{ sizes }}.disk_mib::hugeint * 9765625
            when 'gpu_core_seconds' then cast({{ sizes }}.gpu * 1000000 as hugeint) * 10000
        end as decimal(38, 0)) * 0.0000000000000001::decimal(16, 16)
    as decimal(38, 16))
{%- endmacro %}

{#- Whether a size has the resource of a measure at all: no GPU gives no GPU usage, not one of zero. -#}
{% macro measure_applies(measure, sizes) -%}
    case {{ measure }}
        when 'seconds' then {{ is_running(sizes) }}
        when 'cpu_core_seconds' then {{ sizes }}.vcpu > 0
        when 'ram_gibi_seconds' then {{ sizes }}.memory_mib > 0
        when 'ssd_gibi_seconds' then {{ sizes }}.disk_mib > 0
        when 'gpu_core_seconds' then {{ sizes }}.gpu > 0
        else false
    end
{%- endmacro %}
