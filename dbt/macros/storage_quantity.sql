{#-
    The quantity of a storage measure as DECIMAL(38,16), from a whole number of byte-microseconds.
    gibi_seconds: over 2^30 x 10^6; in units of 10^-16 that is times 5^10 over 2^20, rounded half up
    (DECISIONS D36). bytes: byte-seconds, exact.
-#}
{% macro storage_quantity(measure, byte_us) -%}
    cast(
        cast(case {{ measure }}
            when 'gibi_seconds' then (cast({{ byte_us }} as hugeint) * 9765625 + 524288) // 1048576
            when 'bytes' then cast({{ byte_us }} as hugeint) * 10000000000
        end as decimal(38, 0)) * 0.0000000000000001::decimal(16, 16)
    as decimal(38, 16))
{%- endmacro %}
