{#-
    An amount that an event tells as text, exact, DECIMAL(38,18); null when it is no number, has more than
    18 decimal places (zeros at the end aside) or is 10^15 and more, of which a sum could not be held.
-#}
{% macro amount_from_text(text) -%}
    case
        when
            {{ is_number(text) }}
            and length(rtrim(split_part(regexp_extract({{ text }}, '^[+-]?([0-9.]+)', 1), '.', 2), '0'))
            - coalesce(try_cast(nullif(regexp_extract({{ text }}, '[eE](.+)$', 1), '') as integer), 0) <= 18
            and abs(try_cast({{ text }} as decimal(38, 18))) < 1000000000000000
            then try_cast({{ text }} as decimal(38, 18))
    end
{%- endmacro %}
