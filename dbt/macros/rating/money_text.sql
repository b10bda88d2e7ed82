{#- Minor units, not negative, as people read them: `12.05 usd`, `500 jpy`. -#}
{% macro money_text(amount_minor, currency) -%}
    (
        case {{ minor_factor(currency) }}
            when 1 then cast({{ amount_minor }} as varchar)
            when 1000
                then cast({{ amount_minor }} // 1000 as varchar) || '.'
                    || lpad(cast({{ amount_minor }} % 1000 as varchar), 3, '0')
            else cast({{ amount_minor }} // 100 as varchar) || '.'
                || lpad(cast({{ amount_minor }} % 100 as varchar), 2, '0')
        end
        || ' ' || {{ currency }}
    )
{%- endmacro %}
