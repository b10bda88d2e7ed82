{#-
Fails for every row in which one of `columns` is null, and says which: the `not_null` of several columns
as one question, because each question costs a build some milliseconds of Python.
-#}
{% test never_missing(model, columns) %}
select
    concat_ws(
        ', '
        {%- for column in columns %}, case when {{ column }} is null then '{{ column }}' end{% endfor %}
    ) as missing,
    *
from {{ model }}
where {% for column in columns %}{{ 'or ' if not loop.first }}{{ column }} is null{{ ' ' }}{% endfor %}
{% endtest %}
