{#-
    The flat amount of a tier that a charge owes: once a period, by the version under which the tier gets
    its first unit; a correction that takes the last one out of it again takes the amount back. The first
    tier's is owed by the first version when the period has no unit at all, unless zero_usage is no_charge.
    Columns: units, units_before, tier_index, flat_amount, is_unused, version_number.
-#}
{% macro flat_of_tier() -%}
    case
        when is_unused and tier_index = 1 and version_number = 1 then flat_amount
        when is_unused and tier_index = 1 then cast(0 as decimal(38, 18))
        when units > 0 and units_before = 0 then flat_amount
        when units = 0 and units_before > 0 then cast(-flat_amount as decimal(38, 18))
        else cast(0 as decimal(38, 18))
    end
{%- endmacro %}
