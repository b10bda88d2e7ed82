{#-
    The tiers of charges whose units are sold in the packages of the tier that all units of the period
    reach. `charges`: see tiers_graduated. One row for each charge with a unit.
-#}
{% macro tiers_volume_package(charges) -%}
{%- set reached -%}
(
    {{ tier_reached(charges) }}
) as reached
{%- endset -%}
{{ packages_of_tier(reached) }}
{%- endmacro %}
