{#-
    Whether a stretch of a size runs: a sandbox known to hold neither vCPU, nor memory, nor a GPU is
    stopped, and only its disk is allocated (DECISIONS D33). A size that is not known runs.
-#}
{% macro is_running(sizes) -%}
    (coalesce({{ sizes }}.vcpu, 1) > 0 or coalesce({{ sizes }}.memory_mib, 1) > 0 or coalesce({{ sizes }}.gpu, 0) > 0)
{%- endmacro %}
