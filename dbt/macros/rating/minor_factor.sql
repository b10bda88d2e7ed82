{#-
    How many minor units make one major unit of a currency (ISO 4217 exponents; where Stripe counts
    whole units and ISO does not, as for the Malagasy ariary, Stripe's way, because billed amounts are
    compared with its).
-#}
{% macro minor_factor(currency) -%}
    case
        when lower({{ currency }}) in (
            'bif', 'clp', 'djf', 'gnf', 'isk', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'ugx', 'vnd',
            'vuv', 'xaf', 'xof', 'xpf'
        ) then 1
        when lower({{ currency }}) in ('bhd', 'iqd', 'jod', 'kwd', 'lyd', 'omr', 'tnd') then 1000
        else 100
    end
{%- endmacro %}
