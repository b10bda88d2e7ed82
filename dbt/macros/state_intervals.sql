{#-
    Evidence and issues of a record that tells its own start and end (`states`: started_at, ended_at
    null while open, next_started_at of the same sandbox). Of two overlapping records the later start
    wins and the earlier one ends there.
-#}
{% macro evidence_of_state(states) -%}
    case
        when {{ states }}.next_started_at < coalesce({{ states }}.ended_at, {{ as_of() }}) then 'clamped'
        when {{ states }}.ended_at is null then 'open'
        else 'observed'
    end
{%- endmacro %}

{% macro issues_of_state(states) -%}
    case when {{ states }}.ended_at < {{ states }}.started_at then 'ends_before_start' end,
        case
            when {{ states }}.next_started_at < coalesce({{ states }}.ended_at, {{ as_of() }}) then 'overlaps_next_run'
        end
{%- endmacro %}
